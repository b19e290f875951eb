"""The cost of relaying a stream: Headrace, nginx and LiteLLM between an upstream and a load generator in C.

`python benchmarks/relay --help` lists the options; README.md in this folder explains what is measured.
"""

import json
import os
import platform
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from measuring import Bench
from options import Options, read_options
from programs import cores
from report import Result, table
from scenarios import SCENARIOS
from targets import Place, Target, UnavailableError, create_targets
from tools import Upstream, build


def main() -> int:
    options = read_options()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 20_000)), hard))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    build()
    with tempfile.TemporaryDirectory(prefix="relay-") as temporary, ExitStack() as running:
        tools_core, target_core = cores()
        upstream = Upstream(tools_core, Path(temporary, "upstream"))
        running.callback(upstream.stop)
        upstream.wait_until_ready()
        os.sched_setaffinity(0, {tools_core})
        place = Place(folder=Path(temporary), core=target_core, tools_core=tools_core, upstream=upstream)
        targets = _start(options, place, running)
        bench = Bench(upstream=upstream, core=tools_core, seconds=options.seconds)
        load_before = os.getloadavg()[0]
        results = _measure(bench, targets, options.scenarios, options.rounds)
    print(f"{_machine()}; load average {load_before:.1f} before, {os.getloadavg()[0]:.1f} after;", end=" ")
    print(f"medians of {options.rounds} rounds; in brackets, ratios to nginx in the same round\n")
    print(table(results, [target.name for target in targets]))
    if options.json:
        options.json.write_text("".join(json.dumps(result._asdict()) + "\n" for result in results))
    return 0


def _start(options: Options, place: Place, running: ExitStack) -> list[Target]:
    """Start the targets; skip unavailable ones with a note."""
    started = []
    for target in create_targets(options.targets, options.checkouts, place):
        try:
            if isinstance(target, UnavailableError):
                raise target
            running.callback(target.stop)
            target.start()
            started.append(target)
        except UnavailableError as error:
            _note(f"skipped: {error}")
    return started


def _measure(bench: Bench, targets: Sequence[Target], scenarios: Sequence[str], rounds: int) -> list[Result]:
    """Measure in rounds, every other one in reverse order; last the scenarios that need new processes."""
    results: list[Result] = []
    for is_fresh in (False, True):
        names = [name for name in scenarios if SCENARIOS[name].is_fresh == is_fresh]
        if is_fresh and names:
            for target in targets:
                target.stop()
        for number in range(rounds):
            for name in names:
                for target in targets[:: -1 if number % 2 else 1]:
                    results += _measure_one(bench, target, name, number)
    return results


def _measure_one(bench: Bench, target: Target, name: str, number: int) -> list[Result]:
    """Measure a target once; None if the scenario does not apply to it."""
    scenario = SCENARIOS[name]
    if scenario.streams > target.max_streams or (scenario.needs_aborts and target.keeps_turns):
        return []
    try:
        target.start()
        figures = scenario.measure(bench, target)
    except (OSError, UnavailableError) as error:
        bench.notes.append(f"{target.name}: {error}")
        figures = {"errors": 1}
    if scenario.is_fresh:
        target.stop()
    shown = ", ".join(f"{key} {value:,.2f}" for key, value in figures.items())
    _note(f"round {number + 1}  {name:17} {target.name:12} {shown}")
    while bench.notes:
        _note(f"  {bench.notes.pop()}")
    return [Result(number, name, target.name, figures)]


def _machine() -> str:
    with Path("/proc/cpuinfo").open() as lines:
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}, Python {platform.python_version()}"


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
