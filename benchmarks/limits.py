"""The cost of limits, and whether they hold, for each store.

    python benchmarks/limits.py [--seconds 2] [--lease 2] [--turns 200] [--kills 8]

Tables:
1. A turn that enters and is settled, with every limit set and 100 others running: µs for the local limiter;
   for one process and for four, turns per second, 16 at a time, µs of CPU for a turn, the median in ms from
   `enter` to the grant, and write conflicts per second.
2. The ledger with a queue: µs for a turn that enters, and for one that is settled, so that another starts.
3. Four processes, four slots, `turns` turns, `kills` processes killed at random: the most slots and the most
   turns seen to run at a time, versions of the documents that had a free slot and a waiting turn, and the
   longest time after a kill with fewer turns than possible.

Redis runs on this machine, with an append-only file (everysec).
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from headrace.documents import Documents, Snapshot, open_documents
from headrace.limits import (
    Decision,
    Granted,
    KeyLimits,
    Ledger,
    Limiter,
    LimitSettings,
    LocalLimiter,
    SharedLimiter,
    Ticket,
)
from headrace.turns import TurnSettings
from limits_race import Race, compete
from store_backends import BACKENDS

SETTINGS = LimitSettings(max_in_flight=10_000, max_in_flight_per_model=10_000, max_queued=0)
LIMITS = KeyLimits(in_flight=10_000, requests_per_minute=10**9, tokens_per_5h=10**15)
RUNNING = 100
AT_A_TIME = 16


def ticket(id: str, key: str = "key") -> Ticket:
    return Ticket(id=id, key=key, user="user", model="glm-4.6", prompt=100, answer=4096, limits=LIMITS)


class CountingDocuments:
    """Documents whose write conflicts are counted."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.conflicts = 0

    async def read(self, names: Collection[str]) -> Snapshot:
        return await self._documents.read(names)

    async def version(self) -> int:
        return await self._documents.version()

    async def write(self, version: int, changes: Mapping[str, bytes | None]) -> bool:
        is_written = await self._documents.write(version, changes)
        self.conflicts += not is_written
        return is_written

    async def close(self) -> None:
        await self._documents.close()


async def enter(limiter: Limiter, id: str) -> None:
    """Enter a turn and wait for the grant."""
    granted = asyncio.get_running_loop().create_future()

    def report(decision: Decision) -> None:
        if isinstance(decision, Granted):
            granted.set_result(None)

    limiter.enter(ticket(id), report)
    await granted


async def load(store: str, name: str, seconds: float) -> dict[str, Any]:
    """Enter and settle turns, 16 at a time; return the number, CPU, waits and conflicts."""
    documents = CountingDocuments(open_documents(TurnSettings(store=store), "limits"))
    limiter = SharedLimiter(documents, lambda: SETTINGS, lease=10.0, process=name, retry_timeout=10.0)
    waits: list[float] = []

    async def one_by_one(place: int) -> None:
        while time.monotonic() < ends:
            began = time.monotonic()
            id = f"{name}-{place}-{len(waits)}"
            await enter(limiter, id)
            waits.append(time.monotonic() - began)
            limiter.settle(id, "key", 1000)

    await asyncio.gather(*(enter(limiter, f"{name}-running-{number}") for number in range(RUNNING)))
    ends = time.monotonic() + seconds
    documents.conflicts, cpu = 0, time.process_time()
    await asyncio.gather(*map(one_by_one, range(AT_A_TIME)))
    cpu = time.process_time() - cpu
    await limiter.close()
    return {
        "turns": len(waits),
        "cpu": cpu,
        "wait": statistics.median(waits),
        "conflicts": documents.conflicts,
    }


def measure_store(store: str, processes: int, seconds: float) -> str:
    """Run processes that load a store; return the cells of a row."""
    command = [sys.executable, __file__, "--load", store, "--seconds", str(seconds)]
    running = [subprocess.Popen([*command, f"--name=p{n}"], stdout=subprocess.PIPE) for n in range(processes)]
    results = [json.loads(process.communicate()[0]) for process in running]
    turns = sum(result["turns"] for result in results)
    cpu = 1e6 * sum(result["cpu"] for result in results) / turns
    wait = 1e3 * statistics.median(result["wait"] for result in results)
    conflicts = sum(result["conflicts"] for result in results) / seconds
    return f"{turns / seconds:9.0f} {cpu:9.0f} {wait:9.1f} {conflicts:9.0f}"


async def measure_local(seconds: float) -> float:
    """Return µs for a turn that enters and is settled, with the local limiter."""
    limiter = LocalLimiter(lambda: SETTINGS)
    for number in range(RUNNING):
        await enter(limiter, f"running-{number}")
    turn, turns, began = ticket("turn"), 0, time.perf_counter()

    def report(_: Decision) -> None:
        pass

    while time.perf_counter() < began + seconds:
        for _ in range(1000):
            limiter.enter(turn, report)
            limiter.settle("turn", "key", 1000)
        turns += 1000
    return 1e6 * (time.perf_counter() - began) / turns


def measure_queue(waiting: int, keys: int) -> tuple[float, float]:
    """Return µs for a turn that enters a queue of so many, and for one that is settled."""
    ledger = Ledger(LimitSettings(max_in_flight=RUNNING, max_queued=0))
    running = [ticket(f"running-{number}") for number in range(RUNNING)]
    entering = [ticket(f"turn-{number}", f"key-{number % keys}") for number in range(waiting)]

    def enter_all(tickets: Iterable[Ticket]) -> None:
        for each in tickets:
            ledger.enter(each, "", 0.0)

    enter_all(running)
    enter_all(entering)
    last = [ticket(f"last-{number}", f"key-{number % keys}") for number in range(RUNNING)]
    began = time.perf_counter()
    enter_all(last)
    entered = time.perf_counter()
    for each in running:
        ledger.settle(each.id, each.key, 1000, 0.0)
    settled = time.perf_counter()
    return 1e6 * (entered - began) / RUNNING, 1e6 * (settled - entered) / RUNNING


def measure(arguments: argparse.Namespace) -> None:
    """Print all tables."""
    print(f"load average {os.getloadavg()[0]:.1f}")
    print(f"local: {asyncio.run(measure_local(arguments.seconds)):.1f} µs per turn\n")
    print("store   processes   turns/s    CPU µs   wait ms  conflicts/s")
    with tempfile.TemporaryDirectory() as directory:
        for name in ("sqlite", "redis"):
            for processes in (1, 4):
                backend = BACKENDS[name](Path(tempfile.mkdtemp(dir=directory)), fsync=False)
                if backend.server:
                    backend.server.start()
                print(
                    f"{name:7} {processes:9} {measure_store(backend.address, processes, arguments.seconds)}"
                )
                if backend.server:
                    backend.server.stop()
        print("\nwaiting      keys  µs enter  µs settle")
        for waiting, keys in ((100, 1), (100, 100), (1000, 1), (1000, 1000)):
            entered, settled = measure_queue(waiting, keys)
            print(f"{waiting:7} {keys:9} {entered:9.0f} {settled:9.0f}")
        print("\nstore   most slots   most running   unused slots   longest gap s   ended")
        for name in ("sqlite", "redis"):
            backend = BACKENDS[name](Path(tempfile.mkdtemp(dir=directory)), fsync=False)
            if backend.server:
                backend.server.start()
            race = Race(
                backend.address,
                processes=4,
                limit=4,
                turns=arguments.turns,
                duration=0.2,
                lease=arguments.lease,
                kills=arguments.kills,
                interval=arguments.lease / 2,
            )
            result = asyncio.run(compete(race, seed=time.time_ns()))
            print(
                f"{name:7} {result.most_slots:10} {result.most_running:14} {result.unused_slots:14}"
                f" {result.longest_gap:15.2f} {result.ended:7}"
            )
            if backend.server:
                backend.server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--name", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        print(json.dumps(asyncio.run(load(arguments.load, arguments.name, arguments.seconds))))
    else:
        measure(arguments)


if __name__ == "__main__":
    main()
