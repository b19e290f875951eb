"""What one client's costly requests do to another client's stream, to the event loop and to memory.

The server has two models: the embedded one, which is attacked, and one that emits text every 20 ms, which a
second client reads in a process of its own. For each attack the table has

- how long the event loop stood still at most ("loop"),
- the same, but no more than the CPU time that all threads of the server took meanwhile ("own"): in the rest,
  other programs had the cores,
- the 99th percentile of the second client's gaps,
- how much more memory the server has afterwards than at the start,
- the statuses of the responses.

The first row is without an attack.

    python benchmarks/attack.py [--only REGEX] [--skip REGEX] [--seconds 4]
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing as mp
import os
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from metronome import Metronome

from headrace.formats import FORMATS
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry, Settings, memory
from headrace.server.listening import listen
from headrace.server.local import run

CHAT = "/v1/chat/completions"
ASYNC = "/v1/async/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
JSON = {"Content-Type": "application/json"}
LARGE = 2_300_000  # bytes; by default, the embedded model gets bodies of 2.36 MB


def body(messages: Any = HELLO, **fields: Any) -> bytes:
    return json.dumps({"model": "glm-4.6", "messages": messages, "max_tokens": 2, **fields}).encode()


def user(content: Any, **fields: Any) -> bytes:
    return body([{"role": "user", "content": content}], **fields)


def form(schema: Any) -> bytes:
    return body(response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})


def doubling(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"type": ["object", "object"], "properties": {"a": schema}, "required": ["a"]}
    return schema


def call(arguments: str) -> Any:
    return {"function": {"name": "f", "arguments": arguments}}


def forced(count: int) -> bytes:
    names = {f"p{number}": {"type": "string"} for number in range(count)}
    schema = {"type": "object", "properties": names, "required": [f"q{number}" for number in range(count)]}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    return body(tools=[tool], tool_choice="required")


class Attack:
    """Requests of one kind.

    Args:
        make: makes the body.
        path: of the endpoint.
        leaves: seconds after which the client disconnects; 0 to wait for the answer.
        most: number of requests at most.
    """

    def __init__(
        self, make: Callable[[], bytes], path: str = CHAT, leaves: float = 0, most: int = 1000
    ) -> None:
        self.body = make()
        self.path, self.leaves, self.most = path, leaves, most

    def send(self, port: int) -> int | str:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=self.leaves or 60)
        try:
            client.request("POST", self.path, self.body, JSON)
            response = client.getresponse()
            response.read()
        except TimeoutError:
            return "left" if self.leaves else "no answer"
        except OSError as error:
            return type(error).__name__
        finally:
            client.close()
        return response.status


ATTACKS: dict[str, Callable[[], Attack]] = {
    "grammar: equal types, 30 levels": lambda: Attack(lambda: form(doubling(30))),
    "grammar: 10,000 properties, 10,000 required": lambda: Attack(lambda: forced(10_000)),
    "grammar: allOf of 10,000 parts": lambda: Attack(lambda: form({"allOf": [{"type": "object"}] * 10_000})),
    "grammar: enum of 250,000": lambda: Attack(lambda: form({"enum": list(range(250_000))})),
    "logit_bias: 100,000 keys": lambda: Attack(
        lambda: body(logit_bias=dict.fromkeys(map(str, range(100_000)), 1))
    ),
    "logit_bias: 150,000 keys": lambda: Attack(
        lambda: body(logit_bias=dict.fromkeys(map(str, range(150_000)), 1))
    ),
    "30 MB rejected unread": lambda: Attack(lambda: user("a b " * 7_500_000, temperature=9), most=120),
    "2 MB rejected": lambda: Attack(lambda: user("a b " * 570_000, temperature=9), most=120),
    "10 MB rejected unread": lambda: Attack(lambda: body(unknown="x" * 10_000_000), most=60),
    "2 MB in an unknown field": lambda: Attack(lambda: body(unknown="x" * LARGE), most=60),
    "a prompt of 1,000,000 tokens": lambda: Attack(lambda: user("a " * 1_000_000), most=240),
    "a prompt of 100,000 tokens": lambda: Attack(lambda: user("a " * 100_000), most=240),
    "leaving during a prompt of 3,000 tokens": lambda: Attack(
        lambda: user("Write " * 3000), leaves=0.02, most=1000
    ),
    "leaving during 2 MB of a": lambda: Attack(lambda: user("a" * LARGE), leaves=0.5),
    "leaving during 250 kB of a": lambda: Attack(lambda: user("a" * 250_000), leaves=0.05),
    "3,000 messages": lambda: Attack(lambda: body(HELLO * 3000)),
    "10,000 messages": lambda: Attack(lambda: body(HELLO * 10_000)),
    "60,000 messages": lambda: Attack(lambda: body(HELLO * 60_000)),
    "800,000 messages": lambda: Attack(lambda: body(HELLO * 800_000)),
    "10,000 x <think>": lambda: Attack(lambda: user("<think>" * 10_000)),
    "300,000 x <think>": lambda: Attack(lambda: user("<think>" * 300_000)),
    "arguments of 100,000 keys": lambda: Attack(
        lambda: body(
            [
                *HELLO,
                {"role": "assistant", "tool_calls": [call(json.dumps({str(n): n for n in range(100_000)}))]},
            ]
        )
    ),
    "70,000 content parts": lambda: Attack(lambda: user([{"type": "text", "text": ""}] * 70_000)),
    "500,000 [] as messages": lambda: Attack(lambda: body([[]] * 500_000)),
    "asynchronous requests without end": lambda: Attack(lambda: body(max_tokens=200), ASYNC),
    "asynchronous, 2 MB in an unknown field": lambda: Attack(lambda: body(unknown="x" * LARGE), ASYNC),
    # of the same kind
    "four stop strings of 500 kB": lambda: Attack(lambda: body(stop=["a" * 500_000] * 4)),
    "300,000 stop strings": lambda: Attack(lambda: body(stop=["a"] * 300_000)),
    "128 tools of 16 kB": lambda: Attack(
        lambda: body(
            tools=[
                {"type": "function", "function": {"name": f"f{n}", "description": "a " * 8_000}}
                for n in range(128)
            ]
        )
    ),
    "20,000 tools": lambda: Attack(lambda: body(tools=[TOOL] * 20_000)),
    "a tool of 20,000 parameters": lambda: Attack(
        lambda: body(
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "parameters": {"properties": {f"p{n}": {} for n in range(20_000)}},
                    },
                }
            ]
        )
    ),
    "a request_id of 2 MB": lambda: Attack(lambda: body(request_id="r" * LARGE)),
    "a model's name of 2 MB": lambda: Attack(lambda: body(model="m" * LARGE)),
    "100,000 x <|user|>": lambda: Attack(lambda: user("<|user|>" * 100_000)),
    "30,000 x <|user|>": lambda: Attack(lambda: user("<|user|>" * 30_000)),
    "250,000 x <": lambda: Attack(lambda: user("<" * 250_000)),
    "60,000 x <|": lambda: Attack(lambda: user("<|" * 60_000)),
    "250,000 x U+FDD0": lambda: Attack(lambda: user("\ufdd0" * 250_000)),
    "250,000 Han": lambda: Attack(lambda: user("水" * 250_000)),
    "2 MB of white space": lambda: Attack(lambda: b" " * LARGE),
    "a number of 2,300,000 digits": lambda: Attack(lambda: b'{"model":"m","seed":' + b"9" * LARGE + b"}"),
    "300,000 equal keys": lambda: Attack(lambda: b'{"model":"m",' + b'"a":1,' * 300_000 + b'"b":1}'),
    "a string of quotes without an end": lambda: Attack(lambda: b'"' + b'\\"' * (LARGE // 2)),
    "2 MB after half a surrogate pair": lambda: Attack(lambda: user("\ud800" + "a" * LARGE)),
    "380,000 halves of surrogate pairs": lambda: Attack(lambda: user("\ud800" * 380_000)),
    "1,000 levels after 2 MB of quotes": lambda: Attack(
        lambda: b'{"a":"' + b'\\"' * 1_100_000 + b'","b":' + b"[" * 1000
    ),
    "60,000 values and half a surrogate pair": lambda: Attack(
        lambda: body(unknown=["a"] * 30_000 + ["\ud800"] * 10_000)
    ),
    "16 calls with arguments of 6,000 keys": lambda: Attack(
        lambda: body(
            [
                *HELLO,
                {
                    "role": "assistant",
                    "tool_calls": [call(json.dumps({str(n): n for n in range(6_000)}))] * 16,
                },
            ]
        )
    ),
    "1,000,000 brackets": lambda: Attack(lambda: b"[" * 1_000_000),
    "4,000 calls in a message": lambda: Attack(
        lambda: body([*HELLO, {"role": "assistant", "tool_calls": [call("{}")] * 4000}])
    ),
    "2 MB of reasoning": lambda: Attack(
        lambda: body([*HELLO, {"role": "assistant", "content": "", "reasoning_content": "a" * LARGE}])
    ),
    "a request of no JSON": lambda: Attack(lambda: b"{", most=3000),
}


class Threads:
    """The CPU time of each thread of this process, as Linux counts it."""

    def __init__(self) -> None:
        self._threads: dict[Path, int] = {}

    def find(self) -> None:
        for thread in Path("/proc/self/task").iterdir():
            if thread not in self._threads:
                self._threads[thread] = os.open(thread / "schedstat", os.O_RDONLY)

    def times(self) -> dict[Path, float]:
        """Return seconds for each thread. Takes 2 µs for each."""
        found = {}
        for thread, file in list(self._threads.items()):
            try:
                found[thread] = int(os.pread(file, 64, 0).split()[0]) / 1e9
            except ProcessLookupError:  # it has ended
                os.close(self._threads.pop(thread))
        return found


class Watched:
    """The application, with `/probe`: how long the loop stood still since the last one, and the memory."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._longest = self._own = 0.0
        self._threads = Threads()
        self._watching: asyncio.Task[None] | None = None

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Any
    ) -> None:
        if scope.get("path") != "/probe":
            await self._app(scope, receive, send)
            return
        self._watching = self._watching or asyncio.create_task(self._watch())
        status = Path("/proc/self/status").read_text()  # noqa: ASYNC240 - not a file
        resident = int(status.partition("VmRSS:")[2].split()[0])
        data = json.dumps([self._longest, self._own, resident / 1024]).encode()
        self._longest = self._own = 0.0
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": data})

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._threads.find()
            before = self._threads.times()
            began = loop.time()
            await asyncio.sleep(0.002)
            block = loop.time() - began - 0.002
            worked = sum(after - before[thread] for thread, after in self._threads.times().items())
            self._longest = max(self._longest, block)
            self._own = max(self._own, min(block, worked))


def serve(pipe: Connection) -> None:
    memory.limit_arenas()  # as `headrace serve`
    steady = Model(("steady",), Metronome(50, 10**9), FORMATS["glm-4.6"], ChatTemplate("x"), 4096)
    app = App(ModelRegistry([load_model("", LlamaSettings()), steady]), Settings())
    with listen("127.0.0.1", 0) as listener:
        pipe.send(listener.getsockname()[1])
        run(Watched(app), [listener], Settings())


def watch(port: int, pipe: Connection) -> None:
    """Read a stream; answer each message with the 99th percentile of the gaps since the last one, in ms."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    endless = body(model="steady", stream=True, max_tokens=10**9)
    client.request("POST", CHAT, endless, JSON)
    response = client.getresponse()
    assert response.status == 200
    gaps: list[float] = []
    last = time.perf_counter()
    while response.read1(65536):
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
        if pipe.poll():
            pipe.recv()
            gaps.sort()
            pipe.send(1000 * gaps[int(0.99 * len(gaps))])
            gaps = []


def probe(port: int) -> tuple[float, float, float]:
    """Return the longest block and its own part, in ms, and the resident memory in MB."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    client.request("GET", "/probe")
    longest, own, resident = json.loads(client.getresponse().read())
    client.close()
    return 1000 * longest, 1000 * own, resident


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="attacks to run, as a regular expression")
    parser.add_argument("--skip", default="^$", help="attacks to leave out")
    parser.add_argument("--seconds", type=float, default=4, help="of each attack")
    options = parser.parse_args()
    spawn = mp.get_context("spawn")
    own, its = spawn.Pipe()
    server = spawn.Process(target=serve, args=(its,), daemon=True)
    server.start()
    port = own.recv()
    warm = Attack(body)
    for _ in range(200):
        warm.send(port)
    watching, theirs = spawn.Pipe()
    spawn.Process(target=watch, args=(port, theirs), daemon=True).start()
    *_, start = probe(port)
    print(f"{'':<48} {'requests':>8} {'loop ms':>8} {'own ms':>8} {'gap ms':>8} {'MB':>7}  statuses")
    chosen = [name for name in ATTACKS if re.search(options.only, name) and not re.search(options.skip, name)]
    for name in ["no attack", *chosen]:
        attack = ATTACKS[name]() if name in ATTACKS else None
        probe(port)
        watching.send("")
        watching.recv()
        statuses: Counter[int | str] = Counter()
        until = time.monotonic() + options.seconds
        while time.monotonic() < until and (attack is None or statuses.total() < attack.most):
            if attack is None:
                time.sleep(options.seconds)
            else:
                statuses[attack.send(port)] += 1
        watching.send("")
        gap = watching.recv()
        longest, own, _ = probe(port)
        time.sleep(1)
        *_, resident = probe(port)
        figures = f"{longest:>8.1f} {own:>8.1f} {gap:>8.1f} {resident - start:>+7.1f}"
        print(f"{name:<48} {statuses.total():>8} {figures}", dict(statuses), flush=True)
    server.terminate()


if __name__ == "__main__":
    main()
