"""A sliding window: how much was added within the last N seconds."""

import math
from collections import deque
from collections.abc import Iterable

__all__ = ["Window"]

_BUCKETS = 60


class Window:
    """Amounts of the last `seconds`, in 60 buckets.

    The amounts of a bucket leave together, `seconds` after the last of them: an amount counts at least as
    long as it should, and at most 1/60 longer. So no period of `seconds` has more than a limit that this
    keeps.

    Args:
        seconds: the length of the window.
        buckets: those of another window, to copy it.
    """

    __slots__ = ("_buckets", "_last", "_leaves", "_seconds", "_used", "_width")

    def __init__(self, seconds: float, buckets: Iterable[tuple[float, int]] = ()) -> None:
        self._seconds = seconds
        self._width = seconds / _BUCKETS
        self._buckets = deque(buckets)  # the time of the last addition, the amount; oldest first
        self._used = sum(amount for _, amount in self._buckets)
        self._last = self._buckets[-1][0] // self._width if self._buckets else -1.0  # the number of a bucket
        self._leaves = 0.0  # no bucket before then

    @property
    def buckets(self) -> list[tuple[float, int]]:
        """The time of the last addition to each bucket, and its amount; oldest first."""
        return list(self._buckets)

    def add(self, amount: int, now: float) -> None:
        """Add an amount at the time `now`, which is not before earlier ones."""
        self._used += amount
        buckets, number = self._buckets, now // self._width
        if number == self._last:
            buckets[-1] = now, buckets[-1][1] + amount
            return
        buckets.append((now, amount))
        self._last = number
        self._leaves = min(self._leaves, now + self._seconds)

    def adjust(self, change: int, added: float) -> None:
        """Change what was added at the time `added`, unless it no longer counts."""
        buckets, width = self._buckets, self._width
        number, index = added // width, len(buckets)
        while index:
            index -= 1
            last, amount = buckets[index]
            if last // width == number:
                buckets[index] = last, amount + change
                self._used += change
                return

    def used(self, now: float) -> int:
        """Return the sum of what counts."""
        if now >= self._leaves:
            self._drop(now)
        return self._used

    def free_at(self, amount: int, limit: int, now: float) -> float:
        """Return when `amount` can be added without exceeding `limit`: `now`, later, or never (inf)."""
        excess = self.used(now) + amount - limit
        if excess <= 0:
            return now
        for last, freed in self._buckets:
            excess -= freed
            if excess <= 0:
                return last + self._seconds
        return math.inf

    def empty_at(self, now: float) -> float:
        """Return when nothing counts any more, if nothing is added."""
        self.used(now)
        return self._buckets[-1][0] + self._seconds if self._buckets else now

    def _drop(self, now: float) -> None:
        while self._buckets and self._buckets[0][0] + self._seconds <= now:
            self._used -= self._buckets.popleft()[1]
        if self._buckets:
            self._leaves = self._buckets[0][0] + self._seconds
        else:
            self._last, self._leaves = -1.0, math.inf
