"""Two replicas and Redis as hosts with addresses of their own, and a network that fails between them.

    sudo python benchmarks/partition.py

Needs iproute2 and the right to create network namespaces; otherwise it prints why not, and exits with 77.

    client 10.77.0.254 ── bridge ── a 10.77.0.11 · b 10.77.0.12 · redis 10.77.0.1

Each host's packets to another one disappear without an error, in both directions. Printed for each case: what
the reader that stays at replica a received, what a reader that moves to replica b after two silent seconds
received, how often the answer was generated, and whether the log has one text.

replicas    a and b cannot reach each other: nothing happens, because replicas never talk to each other
short       a cannot reach Redis for six seconds, longer than its lease: b continues; then a follows b
long        the same for longer than `--store-retry-timeout`: the stream at a ends with `network_error`
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry, Settings
from headrace.server.listening import listen
from headrace.server.local import run
from headrace.sse import SseDecoder, SseEvent
from headrace.turns import TurnSettings
from redis_server import find_program

HOSTS = {"redis": "10.77.0.1", "a": "10.77.0.11", "b": "10.77.0.12"}
STORE = f"redis://{HOSTS['redis']}:6379/0"
SCRIPT = " ".join(str(number) for number in range(100, 500))
CHAT = "/api/paas/v4/chat/completions"
KEY = "partition.secret"
LEASE, RETRY_TIMEOUT = 1.0, 10.0
SKIPPED = 77
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}" + ASSISTANT


def serve(address: str) -> None:
    """Run a replica; its engine emits a number of the script every 50 ms."""
    engine = ContinuingEngine(SCRIPT, piece=4, delay=0.05)
    model = Model(("numbers",), engine, FORMATS["text"], ChatTemplate(TEMPLATE))
    turns = TurnSettings(store=STORE, lease=LEASE, store_retry_timeout=RETRY_TIMEOUT)
    settings = Settings(host=address, port=8000, api_keys=(KEY,), keep_alive_interval=1.0, turns=turns)
    run(App(ModelRegistry([model]), settings), [listen(settings.host, settings.port)], settings)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[None]:
    """Create the hosts, each a network namespace on a bridge."""
    try:
        ip("link", "add", "hr-bridge", "type", "bridge")
        ip("addr", "add", "10.77.0.254/24", "dev", "hr-bridge")
        ip("link", "set", "hr-bridge", "up")
        for name, address in HOSTS.items():
            ip("netns", "add", f"hr-{name}")
            ip("link", "add", f"hr-{name}", "type", "veth", "peer", "name", "eth0", "netns", f"hr-{name}")
            ip("link", "set", f"hr-{name}", "master", "hr-bridge", "up")
            for command in (f"addr add {address}/24 dev eth0", "link set eth0 up", "link set lo up"):
                ip("-n", f"hr-{name}", *command.split())
        yield
    finally:
        for name in HOSTS:
            subprocess.run(["ip", "link", "del", f"hr-{name}"], capture_output=True, check=False)
            subprocess.run(["ip", "netns", "del", f"hr-{name}"], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", "hr-bridge"], capture_output=True, check=False)


@contextmanager
def partition(one: str, other: str) -> Iterator[None]:
    """Let the packets between two hosts disappear."""
    for here, there in ((one, other), (other, one)):
        nowhere = ("neigh", "replace", HOSTS[there], "lladdr", "02:00:00:00:00:99", "dev", "eth0")
        ip("-n", f"hr-{here}", *nowhere, "nud", "permanent")
    try:
        yield
    finally:
        for here, there in ((one, other), (other, one)):
            ip("-n", f"hr-{here}", "neigh", "del", HOSTS[there], "dev", "eth0")


class Reader:
    """Reads a turn in a thread, from one replica."""

    def __init__(self, host: str, *, turn: str = "", after: str = "") -> None:
        self.events: list[SseEvent] = []
        self.turn = turn
        self.last_event_at = time.monotonic()
        self._host, self._after = host, after
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        chunks = [json.loads(event.data) for event in self.events if event.data[:1] == b"{"]
        deltas = (chunk["choices"][0]["delta"] for chunk in chunks if chunk.get("choices"))
        return "".join(delta.get("content", "") for delta in deltas)

    @property
    def ending(self) -> str:
        chunks = [json.loads(event.data) for event in self.events if event.data[:1] == b"{"]
        reasons = (chunk["choices"][0].get("finish_reason") for chunk in chunks if chunk.get("choices"))
        return next(filter(None, reasons), "none")

    def end(self) -> None:
        self._thread.join(60)

    def _read(self) -> None:
        body = {"model": "numbers", "messages": [{"role": "user", "content": "q"}], "stream": True}
        headers = {"authorization": f"Bearer {KEY}", "x-headrace-resumable": "1"}
        if self._after:
            headers["last-event-id"] = self._after
        method, path = ("GET", f"{CHAT}/{self.turn}") if self.turn else ("POST", CHAT)
        url = f"http://{HOSTS[self._host]}:8000{path}"
        with httpx2.stream(
            method, url, headers=headers, json=None if self.turn else body, timeout=60, trust_env=False
        ) as response:
            self.turn = response.headers.get("x-headrace-turn", "")
            decoder = SseDecoder()
            for data in response.iter_raw():
                if events := decoder.feed(data):
                    self.last_event_at = time.monotonic()
                    self.events += events


def until(condition: object, limit: float = 60.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def case(name: str, cut: tuple[str, str], seconds: float) -> bool:
    """Run one case, and print what was received; return whether it is right."""
    staying = Reader("a")
    until(lambda: len(staying.events) > 20)
    began = time.monotonic()
    with partition(*cut):
        moving = staying
        until(lambda: time.monotonic() > began + seconds or staying.last_event_at + 2 < time.monotonic())
        if staying.last_event_at + 2 < time.monotonic():
            last = staying.events[-1].id
            moving = Reader("b", turn=staying.turn, after=last)
            seen = staying.text
            until(lambda: moving.events)
            print(f"{name}: b continued {time.monotonic() - began:.1f} s after the cut")
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    staying.end()
    moving.end()
    moved = staying.text if moving is staying else seen + moving.text
    again = Reader("b", turn=staying.turn)
    again.end()
    print(f"{name}: the reader that stays: {len(staying.text)} of {len(SCRIPT)} characters, {staying.ending}")
    print(f"{name}: the reader that moves: {len(moved)}, {moving.ending}; the log: {len(again.text)}")
    is_right = moved == again.text == SCRIPT and SCRIPT.startswith(staying.text)
    print(f"{name}: {'right' if is_right else 'WRONG'}", flush=True)
    return is_right


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--serve", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return 0
    program = find_program()
    if os.geteuid() or not shutil.which("ip") or program is None:
        print("skipped: network namespaces need root, iproute2 and a Redis server", file=sys.stderr)
        return SKIPPED
    with ExitStack() as stack:
        try:
            stack.enter_context(network())
        except subprocess.CalledProcessError as error:
            print(f"skipped: {error.stderr.decode().strip()}", file=sys.stderr)
            return SKIPPED
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="partition-"))
        redis = [program, "--bind", HOSTS["redis"], "--protected-mode", "no", "--save", "", "--dir", folder]
        commands = {"redis": redis}
        commands |= {name: [sys.executable, __file__, "--serve", HOSTS[name]] for name in "ab"}
        for name, command in commands.items():
            enter = ["ip", "netns", "exec", f"hr-{name}"]
            process = subprocess.Popen([*enter, *command], stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
        for name in "ab":
            until(lambda name=name: is_ready(name))
        cases = (
            ("replicas", ("a", "b"), 4.0),
            ("short", ("a", "redis"), 6.0),
            ("long", ("a", "redis"), 16.0),
        )
        wrong = [each for each in cases if not case(*each)]
        return 1 if wrong else 0


def is_ready(host: str) -> bool:
    try:
        return httpx2.get(f"http://{HOSTS[host]}:8000/readyz", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


if __name__ == "__main__":
    sys.exit(main())
