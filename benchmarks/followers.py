"""The cost of turns that another process produces, for each store that processes can share.

    python benchmarks/followers.py [--turns 1000] [--seconds 10] [--stores sqlite,redis]

One process produces `turns` silent turns and one that emits 50 tokens per second; this process follows them,
with one reader each. Printed for each store:
1. Burst: seconds until all turns are followed, when all are requested at once, and how many requests failed;
   the same for 100 new turns at once.
2. Silent: CPU of this process, as a share of a core; that of the producer; Redis commands per second, open
   connections of both processes, and new ones per second.
3. Busy: milliseconds from the producer's engine to the reader here, alone and beside the silent turns.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from headrace.engines import Generation, Listener, Run
from headrace.engines.playback import Playback
from headrace.events import Event, Text
from headrace.turns import STORES, Turn, TurnRegistry, TurnSettings, open_store
from headrace.wire import decode_request
from log_readers import AwaitableReader
from plans import planner
from store_backends import BACKENDS

RATE = 50
POSTS = 100
BODY = b'{"model":"glm-4.6","messages":[{"role":"user","content":"x"}],"stream":true,"request_id":"%b"}'


class SilentEngine:
    """Emits one fragment, then nothing. For the request `busy-turn`: the time, `RATE` times per second."""

    continues = True

    def start(self, generation: Generation, listener: Listener) -> Run:
        is_busy = generation.request.request_id == "busy-turn"
        return Playback(_ticks() if is_busy else _one(), listener.on_events, listener.on_end)

    async def check(self) -> None:
        pass

    async def close(self) -> None:
        pass


async def _one() -> AsyncGenerator[list[Event], None]:
    yield [Text("silent ")]
    await asyncio.get_running_loop().create_future()


async def _ticks() -> AsyncGenerator[list[Event], None]:
    began = time.perf_counter()
    for number in range(10**9):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        yield [Text(f"{time.perf_counter_ns()} ")]


def new_registry(address: str) -> TurnRegistry:
    settings = TurnSettings(store=address, linger=3600)
    return TurnRegistry(open_store(settings), planner(SilentEngine(), ""), settings)


async def start(registry: TurnRegistry, request_ids: Sequence[str]) -> list[Turn]:
    """Start turns, all at once."""
    plans = [registry.planner(decode_request(BODY % id.encode()), "") for id in request_ids]
    return await asyncio.gather(*(registry.start(plan, resumable=True) for plan in plans))


async def produce(address: str, turns: int) -> None:
    """Start the turns in batches, write their ids to stdout, and produce them until stdin is closed."""
    registry = new_registry(address)
    ids = [turn.id for turn in await start(registry, ["busy-turn"])]
    for first in range(0, turns, 50):
        names = [f"silent-turn-{number}" for number in range(first, min(first + 50, turns))]
        ids += [turn.id for turn in await start(registry, names)]
    sys.stdout.write(json.dumps(ids) + "\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await registry.close()


@asynccontextmanager
async def producer(address: str, turns: int) -> AsyncGenerator[tuple[int, list[str]], None]:
    """Run `produce` in a process; yield its process id and the ids of its turns, the busy one first."""
    arguments = [__file__, "--produce", address, "--turns", str(turns)]
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE, "limit": 2**20}
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, **pipes)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.pid, json.loads(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def burst(registry: TurnRegistry, ids: Sequence[str]) -> tuple[list[Turn], str]:
    """Request all turns at once; return those that were found, and a report."""
    began = time.perf_counter()
    found = await asyncio.gather(*(registry.find(id, "") for id in ids), return_exceptions=True)
    took = time.perf_counter() - began
    turns = [turn for turn in found if isinstance(turn, Turn)]
    return turns, f"{len(found)} readers in {took:.2f} s, {len(found) - len(turns)} rejected"


async def posts(registry: TurnRegistry) -> str:
    """Start new turns, all at once."""
    plans = [
        registry.planner(decode_request(BODY % f"new-turn-{number}".encode()), "") for number in range(POSTS)
    ]
    began = time.perf_counter()
    started = await asyncio.gather(
        *(registry.start(plan, resumable=True) for plan in plans), return_exceptions=True
    )
    took = time.perf_counter() - began
    turns = [turn for turn in started if isinstance(turn, Turn)]
    for turn in turns:
        turn.stop()
    return f"{POSTS} new turns in {took:.2f} s, {POSTS - len(turns)} rejected"


async def delays(turn: Turn, seconds: float) -> list[float]:
    """Read a turn for so many seconds; return the milliseconds that its events took."""
    reader = AwaitableReader(turn)
    await reader.read()  # the backlog
    found: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        events = await reader.read()
        now = time.perf_counter_ns()
        found += [(now - int(event.text)) / 1e6 for event in events if isinstance(event, Text)]
    reader.close()
    return found


def summary(found: Sequence[float]) -> str:
    ranked = sorted(found)
    return (
        f"median {statistics.median(ranked):.1f}, p90 {ranked[int(len(ranked) * 0.9)]:.1f},"
        f" p99 {ranked[int(len(ranked) * 0.99)]:.1f}, most {ranked[-1]:.1f} ms of {len(ranked)}"
    )


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def redis_figures(address: str) -> tuple[float, float, float, int]:
    """Return Redis' commands, CPU seconds, connections since its start and now; zeros for another store."""
    if not address.startswith("redis"):
        return 0, 0, 0, 0
    from redis import Redis

    with Redis.from_url(address) as client:
        info = client.info()
    cpu = info["used_cpu_user"] + info["used_cpu_sys"]
    own = 1  # connection, which this function has opened
    connections = info["total_connections_received"] - own, info["connected_clients"] - own
    return info["total_commands_processed"], cpu, *connections


async def measure(name: str, address: str, turns: int, seconds: float) -> None:
    """Print the figures of one store."""
    async with producer(address, turns) as (pid, ids):
        registry = new_registry(address)
        alone = await delays(await registry.find(ids[0], ""), seconds / 2)
        followed, report = await burst(registry, ids[1:])
        print(f"{name}: {report}; {await posts(registry)}")
        readers = [AwaitableReader(turn) for turn in followed]
        await asyncio.sleep(3)
        gc.collect()
        gc.freeze()
        beside = await delays(await registry.find(ids[0], ""), seconds / 2)
        (await registry.find(ids[0], "")).stop()
        await asyncio.sleep(3)  # until its end is followed no longer
        before, process, commands = cpu_of(pid), time.process_time(), redis_figures(address)
        await asyncio.sleep(seconds)
        share = (time.process_time() - process) / seconds * 100
        others = (cpu_of(pid) - before) / seconds * 100
        after = redis_figures(address)
        rate, redis, new, _ = (b - a for a, b in zip(commands, after, strict=True))
        print(f"{name}: {len(followed)} silent turns: {share:.1f} % of a core; producer {others:.1f} %")
        if rate:
            connections = f"{after[3]} connections, {(new - 1) / seconds:.1f} new ones/s"
            print(
                f"{name}: Redis {redis / seconds * 100:.1f} %, {rate / seconds:.0f} commands/s, {connections}"
            )
        print(f"{name}: busy turn alone:   {summary(alone)}")
        print(f"{name}: busy turn beside:  {summary(beside)}", flush=True)
        for reader in readers:
            reader.close()
        await registry.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--stores", default=",".join(name for name, kind in STORES.items() if kind.is_shared))
    parser.add_argument("--produce", metavar="ADDRESS", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.produce:
        uvloop.run(produce(arguments.produce, arguments.turns))
        return
    for name in arguments.stores.split(","):
        with tempfile.TemporaryDirectory(prefix="followers-") as temporary:
            backend = BACKENDS[name](Path(temporary), fsync=False)
            if backend.server:
                backend.server.start()
            try:
                uvloop.run(measure(name, backend.address, arguments.turns, arguments.seconds))
            finally:
                if backend.server:
                    backend.server.stop()


if __name__ == "__main__":
    main()
