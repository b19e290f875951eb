"""Two replicas, Redis and two servers of a model as hosts of their own, and a network that fails.

    sudo python benchmarks/partition.py
    sudo python benchmarks/partition.py connecting reading answering

Needs iproute2 and the right to create network namespaces; otherwise it prints why not, and exits with 77.

    client 10.77.0.254 ── bridge ── a 10.77.0.11 · b 10.77.0.12 · redis 10.77.0.1 · gpu1, gpu2 10.77.0.21, 22

The packets between two hosts disappear without an error. In the first three cases the replica has the model;
printed is what the reader that stays at replica a received, what a reader that moves to replica b after two
silent seconds received, and whether the log has one text. In the others a relays to gpu1, which disappears,
or gpu2; printed is how long the reader waited after that, and what it received.

replicas    a and b cannot reach each other: nothing happens, because replicas never talk to each other
short       a cannot reach Redis for six seconds, longer than its lease: b continues; then a follows b
long        the same for longer than `--store-retry-timeout`: the stream at a ends with `network_error`
connecting  gpu1 disappears before the request: gpu2 gets it
reading     gpu1 disappears while it reads the prompt: gpu2 gets the request
answering   gpu1 disappears in mid-answer: the stream ends with `network_error`; gpu2 gets the next request
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx2
import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.engines import Generation
from headrace.events import Event
from headrace.formats import FORMATS
from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry, Settings
from headrace.server.listening import listen
from headrace.server.local import run
from headrace.sse import SseDecoder, SseEvent
from headrace.turns import TurnSettings
from redis_server import find_program

HOSTS = {
    "redis": "10.77.0.1",
    "a": "10.77.0.11",
    "b": "10.77.0.12",
    "gpu1": "10.77.0.21",
    "gpu2": "10.77.0.22",
}
STORE = f"redis://{HOSTS['redis']}:6379/0"
SCRIPT = " ".join(str(number) for number in range(100, 500))
CHAT = "/api/paas/v4/chat/completions"
KEY = "partition.secret"
LEASE, RETRY_TIMEOUT = 1.0, 10.0
PROMPT = 5.0  # seconds to read a long one
SKIPPED = 77
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}" + ASSISTANT


class Numbers(ContinuingEngine):
    """Emits a number of the script every 50 ms; takes its time to read the prompt `long`."""

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        await asyncio.sleep(PROMPT if "long" in generation.prompt else 0)
        async for events in super().generate(generation):
            yield events


def serve(host: str) -> None:
    """Run a replica, which also relays to the model's servers, or one of those."""
    numbers = Numbers(SCRIPT, piece=4, delay=0.05)
    models = [Model(("numbers",), numbers, FORMATS["text"], ChatTemplate(TEMPLATE))]
    settings = Settings(host=HOSTS[host], port=8000, api_keys=(KEY,), keep_alive_interval=600.0)
    if not host.startswith("gpu"):
        urls = tuple(f"http://{HOSTS[gpu]}:8000/v1" for gpu in ("gpu1", "gpu2"))
        relayed = ChatSettings(url=urls, upstream_model="numbers", upstream_key_env="KEY")
        models.append(load_model("relayed", relayed, {"KEY": KEY}))
        turns = TurnSettings(store=STORE, lease=LEASE, store_retry_timeout=RETRY_TIMEOUT)
        settings = msgspec.structs.replace(settings, keep_alive_interval=1.0, turns=turns)
    run(App(ModelRegistry(models), settings), [listen(settings.host, settings.port)], settings)


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

    def __init__(
        self, host: str, *, turn: str = "", after: str = "", model: str = "numbers", prompt: str = "short"
    ) -> None:
        self.events: list[SseEvent] = []
        self.turn = turn
        self.last_event_at = time.monotonic()
        self._host, self._after = host, after
        self._body = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
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
        headers = {"authorization": f"Bearer {KEY}", "x-headrace-resumable": "1"}
        if self._after:
            headers["last-event-id"] = self._after
        method, path = ("GET", f"{CHAT}/{self.turn}") if self.turn else ("POST", CHAT)
        url = f"http://{HOSTS[self._host]}:8000{path}"
        with httpx2.stream(
            method, url, headers=headers, json=None if self.turn else self._body, timeout=60, trust_env=False
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


def relayed(name: str) -> bool:
    """Run a case with a model's server that disappears; print and return as `case` does."""
    with ExitStack() as cut:
        if name == "connecting":
            cut.enter_context(partition("a", "gpu1"))
        reader = Reader("a", model="relayed", prompt="long" if name == "reading" else "short")
        if name == "reading":
            time.sleep(PROMPT / 2)
        elif name == "answering":
            until(lambda: len(reader.text) > 100)
        if name != "connecting":
            cut.enter_context(partition("a", "gpu1"))
        began = time.monotonic()
        until(lambda: reader.ending != "none" if name == "answering" else reader.text)
        waited = time.monotonic() - began
        after = Reader("a", model="relayed")
        began = time.monotonic()
        until(lambda: after.text)
        print(f"{name}: the reader waited {waited:.1f} s, the next request {time.monotonic() - began:.2f} s")
    for each in (reader, after):  # long enough for a probe to find gpu1 again
        each.end()
    print(f"{name}: {len(reader.text)} of {len(SCRIPT)} characters, {reader.ending}")
    ending = ("network_error", len(reader.text)) if name == "answering" else ("stop", len(SCRIPT))
    is_right = (reader.ending, reader.text) == (ending[0], SCRIPT[: ending[1]]) and after.text == SCRIPT
    is_right &= waited > PROMPT / 2 + 1  # otherwise gpu2 has served it
    print(f"{name}: {'right' if is_right else 'WRONG'}", flush=True)
    return is_right


CASES: Mapping[str, Callable[[str], bool]] = {
    "replicas": partial(case, cut=("a", "b"), seconds=4.0),
    "short": partial(case, cut=("a", "redis"), seconds=6.0),
    "long": partial(case, cut=("a", "redis"), seconds=16.0),
    "connecting": relayed,
    "reading": relayed,
    "answering": relayed,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default: all")
    parser.add_argument("--serve", metavar="HOST", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"{', '.join(sorted(unknown))}: the cases are {', '.join(CASES)}")
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
        servers = [name for name in HOSTS if name != "redis"]
        commands |= {name: [sys.executable, __file__, "--serve", name] for name in servers}
        for name, command in commands.items():
            enter = ["ip", "netns", "exec", f"hr-{name}"]
            process = subprocess.Popen([*enter, *command], stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
        for name in servers:
            until(lambda name=name: is_ready(name))
        wrong = [name for name in arguments.cases or CASES if not CASES[name](name)]
        return 1 if wrong else 0


def is_ready(host: str) -> bool:
    try:
        return httpx2.get(f"http://{HOSTS[host]}:8000/readyz", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False


if __name__ == "__main__":
    sys.exit(main())
