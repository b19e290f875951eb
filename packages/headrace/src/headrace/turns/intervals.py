"""The intervals between the deltas of an answer, counted by length.

They are noted for every chunk, so the count is of runs: as long as the intervals belong to the same bucket,
and none is longer than all before, one comparison and one addition are enough.
"""

from bisect import bisect_left
from typing import Final

__all__ = ["BOUNDS", "Intervals"]

BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
    *(5.0 * 2**power for power in range(10)),
)
"""The upper bounds of the buckets, in seconds: from 1 ms to 2,560 s. One bucket more has what is longer."""

_LOWER: Final = (-1.0, *BOUNDS)  # an interval of 0 s belongs to the first bucket
_UPPER: Final = (*BOUNDS, float("inf"))


class Intervals:
    """The intervals of one answer. Times are in seconds, by any clock that never goes back."""

    __slots__ = ("_above", "_bucket", "_counts", "_last", "_left_out", "_run", "_up_to", "longest")

    def __init__(self) -> None:
        self.longest = 0.0
        """0 if there are none."""
        self._counts = [0] * len(_UPPER)
        self._last = 0.0
        self._left_out = 0.0  # of the time until `_last`
        self._bucket = 0
        self._run = 0  # intervals of this bucket that are not in `_counts` yet
        self._above = self._up_to = 0.0  # an interval between these continues the run

    @property
    def are_empty(self) -> bool:
        """Whether there are none."""
        return not self._run

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of intervals in each bucket."""
        counts = [*self._counts]
        counts[self._bucket] += self._run
        return tuple(counts)

    @property
    def total(self) -> float:
        """The sum of the intervals."""
        return self._last - self._left_out

    def start(self, now: float) -> None:
        """Begin, or leave out the time since the last delta."""
        self._left_out += now - self._last
        self._last = now

    def add(self, now: float) -> None:
        """Note a delta, and the interval since the one before."""
        if self._above < now - self._last <= self._up_to:
            self._run += 1
        else:
            self._begin_run(now - self._last)
        self._last = now

    def _begin_run(self, interval: float) -> None:
        self._counts[self._bucket] += self._run
        self._bucket, self._run = bisect_left(BOUNDS, interval), 1
        self.longest = max(self.longest, interval)
        self._above, self._up_to = _LOWER[self._bucket], min(_UPPER[self._bucket], self.longest)
