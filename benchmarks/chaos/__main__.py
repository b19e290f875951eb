"""Fault injection: servers die, connections break and stores fail while clients read known answers.

    python benchmarks/chaos --kills 200 --store sqlite
    python benchmarks/chaos --kills 200 --store redis
    python benchmarks/chaos --kills 200 --store shards
    python benchmarks/chaos --kills 200 --workers 3
    python benchmarks/chaos --kills 5 --store redis --only hops poison --seed 7 --keep DIRECTORY

The harness knows only what docs/resume.md promises. The servers are processes of `headrace serve`, 1 or 2
with SQLite and 2 or 3 with Redis or with three of them (`shards`), for an upstream that writes numbered
words, or for the embedded model. The clients are the SDK, and clients of raw sockets for chat completions,
Messages and Responses. The scenarios (`scenarios.py`) run in turn until that many servers have been killed,
or until SIGINT or SIGTERM; if none of them kills servers, each runs that often.
Each fault found is described on stderr; the exit status is 1 if there is any:

lost, twice: words that a reader missed, or received again
differing: answers whose text, ending or usage is not the right one, or not that of the turn's log
generated twice: answers with a second turn, or with words generated again that a reader already had
wrongly rejected: error statuses that docs/resume.md does not promise
hung: readers without the end of their answer after five minutes
"""

import argparse
import asyncio
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from deployment import REPLICAS
from fire import Fire
from scenarios import NEED_SHARDS, NEED_WHOLE_SERVERS, SCENARIOS

from redis_server import is_installed


async def run(arguments: argparse.Namespace, fire: Fire) -> None:
    """Run rounds of the scenarios in turn."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await fire.start()
    names = arguments.only or list(SCENARIOS)
    if arguments.workers > 1:
        names = [name for name in names if name not in NEED_WHOLE_SERVERS]
    excluded = {"lost-writes"} if fire.store.shards else NEED_SHARDS
    names = [name for name in names if name not in excluded]
    for round_ in range(arguments.kills * len(names)):
        if fire.tally.kills >= arguments.kills:
            break
        name = names[round_ % len(names)]
        fire.begin(name, round_)
        try:
            await SCENARIOS[name](fire)
        except TimeoutError:
            fire.tally.fault("hung", "the scenario")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--store", choices=list(REPLICAS), default="sqlite")
    parser.add_argument(
        "--only", nargs="+", choices=list(SCENARIOS), metavar="SCENARIO", help=", ".join(SCENARIOS)
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="one server with N workers, which are killed"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep", type=Path, metavar="DIRECTORY", help="keep the servers' logs and the store there"
    )
    arguments = parser.parse_args()
    if arguments.store != "sqlite" and not is_installed():
        parser.error("no Redis or Valkey server is installed")
    os.environ["NO_PROXY"] = "*"
    with tempfile.TemporaryDirectory(prefix="chaos-") as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        fire = Fire(arguments.store, folder, arguments.seed, arguments.workers)
        began = time.monotonic()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(run(arguments, fire))
        finally:
            fire.stop()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = usage.ru_utime + usage.ru_stime
        note = f"{time.monotonic() - began:.0f} s, of which the servers computed {cpu:.0f} s"
        return fire.tally.print_table([note])


if __name__ == "__main__":
    sys.exit(main())
