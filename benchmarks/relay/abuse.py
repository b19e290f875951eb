"""What clients that misbehave do to 50 streams beside them, and what they leave behind.

In each round, the 50 streams are measured alone and then beside

- 1,000 clients that connect and leave: at once, in a request, after it, or after the first bytes; half of
  them with a reset,
- 100 that never read, whose upstream sends without pauses until everything between them is full,
- 50 that send one byte per second,
- 200 that are half-open: they stop within a request, and half of them end their side of the connection.

Then those that never read leave; the server has to get rid of the others. The table has the 99th percentiles
of the 50 streams, from the upstream's write to the client's read, and memory, descriptors and connections to
the upstream, before the first round and after each.

    python benchmarks/relay/abuse.py [--rounds 3] [--scale 1.0]
"""

import argparse
import asyncio
import os
import resource
import socket
import struct
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from programs import cores
from targets import Place, Target, create_targets
from tools import CHAT, Load, Traffic, Upstream, build, run_load

STREAMS: Final = Traffic(events=250, streams=50, requests=3, interval_us=20_000)  # 50 a second: 16 s
ENDLESS: Final = 9_000_000
LEAVING_SECONDS: Final = 12.0
TIMEOUT: Final = 10.0  # of the server, for requests and idle connections
HALF: Final = len(CHAT.request) // 3  # within the head
FILLING_SECONDS: Final = 5.0
BACK_SECONDS: Final = 40.0


class Left(NamedTuple):
    """What the server has."""

    resident_mb: float
    descriptors: int
    upstream: int
    """Open connections at the upstream."""


class Abuse:
    """The clients, in a thread with an event loop of its own.

    Args:
        port: of the server.
        scale: of their numbers.
    """

    def __init__(self, port: int, scale: float) -> None:
        self._port = port
        self._leaving, self._unread, self._slow, self._half_open = (
            round(number * scale) for number in (1000, 100, 50, 200)
        )
        self._kept: list[socket.socket] = []
        self._unreading: list[socket.socket] = []

    def open_unread(self) -> None:
        """Request answers that will not be read."""
        for _ in range(self._unread):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", self._port))
            connection.sendall(CHAT.request)
            self._unreading.append(connection)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the others; then those that do not read leave."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        thread.start()
        try:
            yield
        finally:
            thread.join()
            for connection in self._unreading:
                connection.close()
            self._unreading.clear()

    def close(self) -> None:
        """Close the clients' side of what is left."""
        for connection in self._kept:
            connection.close()
        self._kept.clear()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stop_within_requests())
            for number in range(self._slow):
                group.create_task(self._send_slowly(number / self._slow))
            for number in range(self._leaving):
                await asyncio.sleep(LEAVING_SECONDS / self._leaving)
                group.create_task(self._leave(number % 4, resets=number % 8 >= 4))

    async def _connect(self) -> socket.socket:
        connection = socket.socket()
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self._port))
        return connection

    async def _leave(self, when: int, *, resets: bool) -> None:
        loop = asyncio.get_running_loop()
        with await self._connect() as connection:
            sent = (b"", CHAT.request[:HALF], CHAT.request, CHAT.request)[when]
            await loop.sock_sendall(connection, sent)
            if when == 3:
                await loop.sock_recv(connection, 4096)
            if resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _send_slowly(self, delay: float) -> None:
        await asyncio.sleep(delay)
        connection = await self._connect()
        self._kept.append(connection)
        for at in range(round(LEAVING_SECONDS)):
            try:
                await asyncio.get_running_loop().sock_sendall(connection, CHAT.request[at : at + 1])
            except OSError:  # the server has closed it
                return
            await asyncio.sleep(1)

    async def _stop_within_requests(self) -> None:
        for number in range(self._half_open):
            connection = await self._connect()
            self._kept.append(connection)
            await asyncio.get_running_loop().sock_sendall(
                connection, CHAT.request[:HALF] if number % 4 else CHAT.request[:-1]
            )
            if number % 2:
                connection.shutdown(socket.SHUT_WR)


def left(target: Target, upstream: Upstream) -> Left:
    assert target.program is not None
    descriptors = sum(1 for _ in Path("/proc", str(target.program.id), "fd").iterdir())
    return Left(target.resident_bytes() / 1e6, descriptors, upstream.stats().live)


def wait_until_back(target: Target, upstream: Upstream, start: Left) -> tuple[Left, float]:
    """Wait until no more descriptors are open than at the start; return what is left, and the seconds."""
    began = time.monotonic()
    while True:
        now, seconds = left(target, upstream), time.monotonic() - began
        if (
            now.descriptors <= start.descriptors and now.upstream <= start.upstream
        ) or seconds > BACK_SECONDS:
            return now, seconds
        time.sleep(0.5)


def measure(target: Target, upstream: Upstream) -> Load:
    upstream.set_script("paced", STREAMS.events, 50)
    return run_load(target.port, STREAMS, core=target.place.tools_core, api=target.api)


def show(name: str, load: Load | None, state: Left, seconds: float = 0) -> None:
    times = ["", "", ""]
    if load is not None:
        errors = load.errors + load.unfinished
        times = [f"{load.latency_p99_us / 1e3:.1f}", f"{load.first_byte_p99_ms:.1f}", f"{errors}"]
        if load.first_error:
            print(load.first_error, file=sys.stderr)
    cells = [name, *times, f"{state.resident_mb:.1f}", f"{state.descriptors}", f"{state.upstream}"]
    print(f"| {' | '.join([*cells, f'{seconds:.0f}' if seconds else ''])} |", flush=True)


def run(target: Target, upstream: Upstream, rounds: int, scale: float) -> bool:
    """Measure; return whether everything was back after each round, and no stream was wrong."""
    print("| | latency p99 ms | first byte p99 ms | errors | MB | descriptors | upstream | back after s |")
    print("|---|---|---|---|---|---|---|---|")
    measure(target, upstream)  # memory that is used once stays
    time.sleep(TIMEOUT + 2)  # and kept connections close
    start = left(target, upstream)
    show("start", None, start)
    is_good = True
    for _ in range(rounds):
        alone = measure(target, upstream)
        show("alone", alone, left(target, upstream))
        abuse = Abuse(target.port, scale)
        upstream.set_script("blocks", ENDLESS)
        abuse.open_unread()
        time.sleep(FILLING_SECONDS)
        with abuse.running():
            beside = measure(target, upstream)
            show("beside", beside, left(target, upstream))
        now, seconds = wait_until_back(target, upstream, start)
        show("after", None, now, seconds)
        abuse.close()
        is_good &= seconds <= BACK_SECONDS and not beside.errors + beside.unfinished
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of clients that misbehave")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    build()
    with tempfile.TemporaryDirectory(prefix="abuse-") as temporary, ExitStack() as running:
        tools_core, core = cores()
        upstream = Upstream(tools_core, Path(temporary, "upstream"))
        running.callback(upstream.stop)
        upstream.wait_until_ready()
        os.sched_setaffinity(0, {tools_core})
        place = Place(folder=Path(temporary), core=core, tools_core=tools_core, upstream=upstream)
        target = next(iter(create_targets(["key"], {"": sys.executable}, place)))
        assert isinstance(target, Target)
        timeouts = dict.fromkeys(
            ("HEADRACE_REQUEST_TIMEOUT", "HEADRACE_CONNECTION_IDLE_TIMEOUT"), f"{TIMEOUT:g}"
        )
        target.environment = {**target.environment, **timeouts}
        running.callback(target.stop)
        target.start()
        is_good = run(target, upstream, options.rounds, options.scale)
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
