"""A series of runs: levels of load one after another, at one endpoint or at two in turns.

With two endpoints, such as a gateway and what is behind it, each level takes four runs: one of the first
endpoint, two of the second, one of the first. A drift of the machine's speed then affects both alike.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from headrace.benchmarking.compare import Difference, difference
from headrace.benchmarking.load import bench, require_answer
from headrace.benchmarking.prompts import PromptSet
from headrace.benchmarking.run import Progress, Run, Settings
from headrace.benchmarking.sample import Sample
from headrace.checking.endpoint import Endpoint
from headrace.errors import RequestError, UnreachableError

__all__ = ["INTERRUPTED", "Target", "added_delays", "bench_series"]

INTERRUPTED: Final = "interrupted"
"""Why runs after Ctrl-C are missing."""


class Target(NamedTuple):
    """An endpoint, and its name in the report."""

    url: str
    endpoint: Endpoint


async def bench_series(
    targets: Sequence[Target],
    levels: Sequence[Settings],
    prompts: PromptSet,
    observe: Callable[[Progress], None],
) -> tuple[list[Run], str]:
    """Return the runs of one or two targets at each level, and why later ones are missing.

    If the task is cancelled, as by Ctrl-C, the runs that have ended are returned.

    Raises:
        UnreachableError: a target does not respond to its first request, or can answer no other one.
    """
    turns = targets
    if len(targets) > 1:
        turns = [*targets, *reversed(targets)]
        for target in targets:  # before the run of another one, which takes its time
            await require_answer(target.endpoint, target.url, levels[0], prompts)
    runs: list[Run] = []
    plan = [(target, level) for level in levels for target in turns]
    for number, (target, level) in enumerate(plan):

        def report(progress: Progress, number: int = number) -> None:
            observe(progress._replace(done=(number + progress.done) / len(plan)))

        try:
            runs.append(await bench(target.endpoint, target.url, level, prompts=prompts, observe=report))
        except (UnreachableError, asyncio.CancelledError) as error:
            if not runs:
                raise
            return runs, error.message if isinstance(error, UnreachableError) else INTERRUPTED
    return runs, ""


def added_delays(runs: Sequence[Run]) -> dict[str, list[Difference]]:
    """Return what the second endpoint adds to the first one, by the load of each level.

    A level is empty if one of them has too few successful requests; without a second endpoint, there is none.
    """
    samples: dict[tuple[str, bool], list[Sample]] = defaultdict(list)
    for run in runs:
        samples[run.settings.loop, run.url == runs[0].url] += run.samples
    added = {}
    for load in dict.fromkeys(load for load, is_first in samples if not is_first):
        try:
            added[load] = difference(samples[load, True], samples[load, False])
        except RequestError:
            added[load] = []
    return added
