"""Counters, gauges and histograms of this process. Each is found once, and then costs an addition or two."""

import json
from bisect import bisect_left
from collections.abc import Sequence

from headrace.server.metrics.cells import Cells, Numbers
from headrace.server.metrics.table import Metric

__all__ = ["Counter", "Gauge", "Histogram", "Instruments"]


class Counter:
    """A number that only grows."""

    def __init__(self, cells: Numbers) -> None:
        self._cells = cells

    def add(self, amount: float = 1.0) -> None:
        """Increase it."""
        self._cells[0] += amount


class Gauge:
    """A number."""

    def __init__(self, cells: Numbers) -> None:
        self._cells = cells

    def set(self, value: float) -> None:
        """Replace it."""
        self._cells[0] = value


class Histogram:
    """Observations, counted in buckets, and their sum in the last cell."""

    def __init__(self, cells: Numbers, bounds: Sequence[float]) -> None:
        self._cells = cells
        self._bounds = bounds

    def observe(self, value: float) -> None:
        """Count a value."""
        cells = self._cells
        cells[bisect_left(self._bounds, value)] += 1.0
        cells[-1] += value

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add what was counted elsewhere in buckets with the same bounds, with the sum of the values."""
        for number, count in enumerate(counts):
            if count:
                self._cells[number] += count
        self._cells[-1] += total


class Instruments:
    """The instruments of a block of memory, by metric and values of labels.

    Args:
        cells: the memory.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._found: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}

    def counter(self, metric: Metric, *labels: str) -> Counter:
        """Return the counter with these values of its labels."""
        found = self._found.get((metric.name, *labels))
        if not isinstance(found, Counter):
            found = self._found[(metric.name, *labels)] = Counter(self._open(metric, labels, 1))
        return found

    def gauge(self, metric: Metric, *labels: str) -> Gauge:
        """Return the gauge with these values of its labels."""
        found = self._found.get((metric.name, *labels))
        if not isinstance(found, Gauge):
            found = self._found[(metric.name, *labels)] = Gauge(self._open(metric, labels, 1))
        return found

    def histogram(self, metric: Metric, *labels: str) -> Histogram:
        """Return the histogram with these values of its labels."""
        found = self._found.get((metric.name, *labels))
        if not isinstance(found, Histogram):
            cells = self._open(metric, labels, len(metric.bounds) + 2)  # infinity, and the sum
            found = self._found[(metric.name, *labels)] = Histogram(cells, metric.bounds)
        return found

    def _open(self, metric: Metric, labels: tuple[str, ...], size: int) -> Numbers:
        assert len(labels) == len(metric.labels)
        return self._cells.series(json.dumps([metric.name, *labels]), size)
