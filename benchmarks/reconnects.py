"""A thousand readers lose their replica at once, and come to the other one.

    python benchmarks/reconnects.py [--readers 1000] [--turns 100]

Two replicas over Redis: a produces `turns` turns, each with a past of 256 KB, for `readers` readers; b has
50 streams of its own, with an event every 50 ms. Then a is killed. Its readers wait as the server has told
them, and up to a second more, and continue at b. Printed: over how long they came, the memory of b before and
at most afterwards, and the time between two events of the 50 streams before and for 20 s afterwards.
"""

import argparse
import asyncio
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from continuing_engine import ASSISTANT
from headrace.engines import Generation
from headrace.events import Event, Text
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry, Settings
from headrace.server.listening import listen
from headrace.server.local import run
from headrace.sse import SseDecoder
from headrace.turns import TurnSettings
from listening import GeneratedEngine
from proxies import free_port
from redis_server import RedisServer

CHAT = "/api/paas/v4/chat/completions"
OTHERS = 50
PAST = 256  # events of a kilobyte
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}" + ASSISTANT


class Engine(GeneratedEngine):
    """Emits an event every 50 ms without end; after a long past, one per second."""

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        has_past = "past" in generation.prompt
        for _ in range(PAST if has_past and not generation.prefix else 0):
            yield [Text("x" * 1024)]
        for number in itertools.count():
            yield [Text(f"{number} ")]
            await asyncio.sleep(1.0 if has_past else 0.05)


def serve(port: int, store: str) -> None:
    """Run a replica."""
    model = Model(("m",), Engine(), FORMATS["text"], ChatTemplate(TEMPLATE))
    settings = Settings(port=port, max_connections_per_address=10_000, turns=TurnSettings(store=store))
    run(App(ModelRegistry([model]), settings), [listen("127.0.0.1", port)], settings)


class Reader:
    """Reads a turn, and resumes it at the other replica when its connection is lost."""

    def __init__(self, ports: Sequence[int], request_id: str, prompt: str) -> None:
        self.events = 0
        self.gaps: list[float] = []
        self.resumed_at = 0.0
        self._ports = ports
        self._body = {
            "model": "m",
            "stream": True,
            "request_id": request_id,
            "messages": [{"role": "user", "content": prompt}],
        }

    async def read(self) -> None:
        decoder, turn = await self._follow(self._ports[0], "POST", CHAT, "")
        waits = (decoder.retry_ms or 0) / 1000 + random.random()
        await asyncio.sleep(waits)
        self.resumed_at = time.monotonic()
        await self._follow(self._ports[1], "GET", f"{CHAT}/{turn}", decoder.last_event_id)

    async def _follow(self, port: int, method: str, path: str, after: str) -> tuple[SseDecoder, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = json.dumps(self._body).encode() if method == "POST" else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Headrace-Resumable: 1\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        head += f"Last-Event-ID: {after}\r\n\r\n" if after else "\r\n"
        writer.write(head.encode() + body)
        response = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert " 200 " in response.partition("\r\n")[0], response
        turn = response.partition("x-headrace-turn: ")[2].partition("\r\n")[0]
        decoder, last = SseDecoder(), time.monotonic()
        try:
            while size := int(await reader.readline() or b"0", 16):
                found = decoder.feed((await reader.readexactly(size + 2))[:-2])
                if found:
                    self.gaps.append(time.monotonic() - last)
                    last = time.monotonic()
                    self.events += len(found)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()
        return decoder, turn


def memory_of(pid: int) -> int:
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 // 2**20


def gaps_of(readers: Sequence[Reader]) -> str:
    found = sorted(gap * 1000 for reader in readers for gap in reader.gaps)
    for reader in readers:
        reader.gaps = []
    return (
        f"median {statistics.median(found):.0f}, p99 {found[int(len(found) * 0.99)]:.0f} ms of {len(found)}"
    )


async def measure(ports: Sequence[int], pids: Sequence[int], kill_a: object, number: int, turns: int) -> None:
    """Print the figures."""
    others = [Reader(ports[::-1], f"other-{each}", "q") for each in range(OTHERS)]
    readers = [Reader(ports, f"turn-{each % turns}", "past") for each in range(number)]
    tasks = [asyncio.create_task(reader.read()) for reader in others]
    for start in range(0, number, 50):
        tasks += [asyncio.create_task(reader.read()) for reader in readers[start : start + 50]]
        await asyncio.sleep(0.3)
    while not all(reader.events for reader in (*others, *readers)):
        await asyncio.sleep(0.1)
        assert not any(task.done() for task in tasks)
    await asyncio.sleep(3)
    gaps_of(others)
    await asyncio.sleep(10)
    before, steady = gaps_of(others), memory_of(pids[1])
    print(f"before: {memory_of(pids[0])} MB at a, {steady} MB at b; gaps of {OTHERS} streams: {before}")
    killed = time.monotonic()
    kill_a()  # type: ignore[operator]
    seen = [reader.events for reader in readers]
    most = steady
    for _ in range(200):
        await asyncio.sleep(0.1)
        most = max(most, memory_of(pids[1]))
    print(f"after:  {most} MB at b at most, {memory_of(pids[1])} MB in the end; gaps: {gaps_of(others)}")
    came = sorted(reader.resumed_at - killed for reader in readers)
    going = sum(reader.events > events for reader, events in zip(readers, seen, strict=True))
    busiest = max(sum(at <= each < at + 0.1 for each in came) for at in came)
    print(f"{number} readers came after {came[0]:.2f} to {came[-1]:.2f} s, at most {busiest} in 0.1 s")
    print(f"{going} of them have further events", flush=True)
    for task in tasks:
        task.cancel()
    failed = [
        each for each in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(each, Exception)
    ]
    print(f"{len(failed)} failed {failed[:1]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=100)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(int(arguments.serve[0]), arguments.serve[1])
        return
    ports = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="reconnects-") as folder:
        redis = RedisServer(Path(folder))
        redis.start()
        commands = [[sys.executable, __file__, "--serve", str(port), redis.url] for port in ports]
        servers = [subprocess.Popen(command) for command in commands]
        try:
            asyncio.run(wait_for(ports))
            pids = [server.pid for server in servers]
            asyncio.run(measure(ports, pids, servers[0].kill, arguments.readers, arguments.turns))
        finally:
            for server in servers:
                server.kill()
                server.wait()
            redis.stop()


async def wait_for(ports: Sequence[int]) -> None:
    """Wait until the replicas accept connections."""
    for port in ports:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            break


if __name__ == "__main__":
    main()
