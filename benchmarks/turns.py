"""The cost of turn stores: CPU per token and added latency, for each store; and a server that uses it.

    python benchmarks/turns.py [--seconds 4] [--rounds 3] [--server]

Tables:
1. `Writer.write` alone, in a tight loop: µs per token.
2. Turns as in a server, without HTTP: 1 and 200 turns with one reader each, from an engine that emits 50
   tokens per second. CPU is that of this process; "volatile" is a turn without a store, so that the
   difference is the cost of the store. Latency is from the engine to the reader, by a timestamp in the text.
3. `--server`: a server process on one core, 200 SSE streams with event ids, 50 tokens per second each, over
   loopback HTTP; its CPU, throughput and latency.

The stores are measured in alternation; the medians are printed. Redis runs on this machine, with
an append-only file (everysec).
"""

import argparse
import asyncio
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from metronome import Metronome
from turns_server import measure_server

from headrace.events import Text
from headrace.turns import STORES, MemoryLog, Turn, TurnRegistry, TurnSettings, open_store
from headrace.turns.store import TurnHeader
from headrace.turns.writer import Writer
from headrace.wire import decode_request
from log_readers import AwaitableReader
from plans import planner
from store_backends import BACKENDS

BODY = b'{"model":"glm-4.6","messages":[{"role":"user","content":"x"}],"stream":true}'
TOKENS_PER_SECOND = 50


class Paced(NamedTuple):
    """One run: µs of CPU per token, and milliseconds from the engine to the reader."""

    cpu: float
    median: float
    p99: float


async def tight(name: str, pieces: int) -> float:
    """Measure `Writer.write`, until everything is saved; return µs per token."""
    store = open_store(TurnSettings(store=name))
    await store.create(TurnHeader(id=f"t{time.time_ns()}", owner="", created=0), BODY)
    id = f"tight{time.time_ns()}"
    await store.create(TurnHeader(id=id, owner="", created=0), BODY)
    log = MemoryLog()
    writer = Writer(store, id, 1, log, on_fenced=lambda: None, on_failure=print, on_settled=lambda: None)
    texts = [[Text(" word")] for _ in range(pieces)]
    began = time.process_time()
    for piece in texts:
        writer.write(piece)
    while log.published < pieces:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    cpu = time.process_time() - began
    await store.close()
    return cpu / pieces * 1e6


async def paced(name: str, streams: int, seconds: float) -> Paced:
    """Measure turns with one reader each."""
    engine = Metronome(TOKENS_PER_SECOND, pieces=10**9)
    settings = TurnSettings(store="memory" if name == "volatile" else name)
    registry = TurnRegistry(open_store(settings), planner(engine, ""), settings)
    plan = registry.planner(decode_request(BODY), "")
    delays: list[int] = []
    is_counting = False

    async def read(turn: Turn) -> None:
        reader = AwaitableReader(turn)
        while True:
            texts = [int(event.text) for event in await reader.read() if isinstance(event, Text)]
            if is_counting:
                now = time.perf_counter_ns()
                delays.extend(now - at for at in texts)

    turns = [await registry.start(plan, resumable=name != "volatile") for _ in range(streams)]
    reading = [asyncio.create_task(read(turn)) for turn in turns]
    await asyncio.sleep(min(1.0, seconds))
    gc.collect()
    gc.freeze()
    is_counting = True
    began = time.process_time()
    await asyncio.sleep(seconds)
    cpu = time.process_time() - began
    is_counting = False
    for task in reading:
        task.cancel()
    for turn in turns:
        turn.stop()
    await asyncio.sleep(0.2)
    await registry.close()
    delays.sort()
    p99 = delays[int(len(delays) * 0.99)]
    return Paced(cpu / len(delays) * 1e6, statistics.median(delays) / 1e6, p99 / 1e6)


def median_of(runs: Sequence[Paced]) -> Paced:
    return Paced(*(statistics.median(values) for values in zip(*runs, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="turns-") as temporary:
        backends = {name: BACKENDS[name](Path(temporary), fsync=False) for name in STORES}
        servers = [backend.server for backend in backends.values() if backend.server]
        for server in servers:
            server.start()
        names = {"volatile": "volatile", **{name: backend.address for name, backend in backends.items()}}
        try:
            if arguments.server:
                measure_server(names, arguments.seconds, arguments.rounds)
            else:
                measure(names, arguments.seconds, arguments.rounds)
        finally:
            for server in servers:
                server.stop()


def measure(names: dict[str, str], seconds: float, rounds: int) -> None:
    """Tables 1 and 2."""
    print(f"{'tight loop':>10} {'µs per token':>12}")
    for label in STORES:
        runs = [
            uvloop.run(tight(names[label], 100_000 if label == "memory" else 20_000)) for _ in range(rounds)
        ]
        print(f"{label:>10} {statistics.median(runs):>12.2f}")
    for streams in (1, 200):
        results: dict[str, list[Paced]] = {label: [] for label in names}
        for _ in range(rounds):
            for label, name in names.items():
                results[label].append(uvloop.run(paced(name, streams, seconds)))
        base = median_of(results["volatile"])
        print(f"\n{streams} streams, {TOKENS_PER_SECOND}/s")
        print(f"{'':>10} {'CPU µs':>9} {'store µs':>9} {'median ms':>10} {'p99 ms':>8} {'added p99':>10}")
        for label, runs in results.items():
            run = median_of(runs)
            print(
                f"{label:>10} {run.cpu:>9.1f} {run.cpu - base.cpu:>9.1f} {run.median:>10.2f} {run.p99:>8.2f}"
                f" {run.p99 - base.p99:>10.2f}"
            )


if __name__ == "__main__":
    main()
