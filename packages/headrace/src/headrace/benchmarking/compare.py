"""The difference of two runs, with an interval: how far it could be due to the choice of requests."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headrace.benchmarking.run import Run
from headrace.benchmarking.sample import Sample
from headrace.benchmarking.summary import percentile
from headrace.errors import RequestError

__all__ = ["Difference", "compare", "difference", "differing_fields"]

_RESAMPLES: Final = 1000
_MIN_SAMPLES: Final = 10

_VALUES: Final[dict[str, Callable[[Sample], float | None]]] = {
    "first delta": lambda sample: sample.firsts["delta"],
    "text, mean of a stream": lambda sample: sample.mean_text,
    "longest stall": lambda sample: max(sample.gaps, default=0.0),
    "total": lambda sample: sample.end,
    "output tokens/s of a stream": lambda sample: (
        sample.output_tokens / sample.deliveries[-1] if sample.output_tokens is not None else None
    ),
}


class Difference(msgspec.Struct, frozen=True):
    """The medians of two runs, and the 95 % bootstrap interval of their difference (second minus first)."""

    name: str
    before: float
    after: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def compare(before: Run, after: Run, *, is_forced: bool = False) -> list[Difference]:
    """Compare the medians of two runs' successful requests.

    Raises:
        RequestError: the runs' settings differ, unless `is_forced`; or a run has too few successful requests.
    """
    fields = differing_fields(before, after)
    if fields and not is_forced:
        raise RequestError("the runs are not comparable; they differ in " + "; ".join(fields))
    return difference(before.samples, after.samples)


def difference(before: Sequence[Sample], after: Sequence[Sample]) -> list[Difference]:
    """Return the differences of the medians of the successful requests.

    Raises:
        RequestError: there are too few.
    """
    good = [[sample for sample in samples if sample.outcome == "success"] for samples in (before, after)]
    if (least := min(map(len, good))) < _MIN_SAMPLES:
        raise RequestError(f"a run has {least} successful requests; at least {_MIN_SAMPLES} are needed")
    differences = []
    for name, value_of in _VALUES.items():
        first, second = ([value for s in samples if (value := value_of(s)) is not None] for samples in good)
        if len(first) == len(good[0]) and len(second) == len(good[1]):
            differences.append(_differ(name, first, second))
    return differences


def differing_fields(before: Run, after: Run) -> list[str]:
    """Return the settings that differ, with both values."""
    first, second = msgspec.structs.asdict(before.settings), msgspec.structs.asdict(after.settings)
    return [f"{name}: {first[name]!r} and {second[name]!r}" for name in first if first[name] != second[name]]


def _differ(name: str, before: Sequence[float], after: Sequence[float]) -> Difference:
    chance = random.Random(0)  # noqa: S311 - the same files give the same interval
    first, second = sorted(before), sorted(after)
    differences = sorted(
        _resample_median(second, chance) - _resample_median(first, chance) for _ in range(_RESAMPLES)
    )
    low, high = (percentile(differences, q) or 0.0 for q in (0.025, 0.975))
    return Difference(name, _median(first), _median(second), low, high)


def _resample_median(ordered: Sequence[float], chance: random.Random) -> float:
    """Return the median of as many values, drawn with replacement from `ordered`.

    Only the place of the median is drawn: the k-th smallest of n uniform numbers has the distribution
    Beta(k, n - k + 1).
    """
    number = len(ordered)
    middle = math.ceil(number / 2)
    return ordered[min(int(number * chance.betavariate(middle, number - middle + 1)), number - 1)]


def _median(values: Sequence[float]) -> float:
    return percentile(values, 0.5) or 0.0
