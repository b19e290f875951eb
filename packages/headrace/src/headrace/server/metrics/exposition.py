"""The metrics of all workers as one, in Prometheus' text format 0.0.4."""

import json
import math
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from headrace.server.metrics.cells import Cells
from headrace.server.metrics.table import BY_NAME, METRICS, Kind, Merge, Metric

__all__ = ["encode", "merged"]

Labels = tuple[str, ...]
Series = dict[Labels, list[float]]


def encode(blocks: Iterable[Cells]) -> bytes:
    """Encode the metrics of these blocks of memory, added up."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(merged(blocks)))
    return generate_latest(registry)


def merged(blocks: Iterable[Cells]) -> dict[str, Series]:
    """Return the numbers of each series, by the name of the metric and the values of its labels."""
    found: dict[str, Series] = {metric.name: {} for metric in METRICS}
    for block in blocks:
        for key, cells in block.items():
            name, *labels = json.loads(key)
            numbers = [*map(float, cells)]
            if name not in found or math.isnan(numbers[0]):
                continue
            series, known = found[name], found[name].get(tuple(labels))
            if known is None:
                series[tuple(labels)] = numbers
            else:
                combine = min if BY_NAME[name].merge is Merge.MIN else float.__add__
                series[tuple(labels)] = [*map(combine, known, numbers)]
    return found


class _Collector(Collector):
    def __init__(self, found: dict[str, Series]) -> None:
        self._found = found

    def collect(self) -> Iterator[Family]:
        return (_family(metric, self._found[metric.name]) for metric in METRICS)


def _family(metric: Metric, series: Series) -> Family:
    """Build the family of a metric for `prometheus_client`, which writes it."""
    arguments = (metric.name, metric.help)
    family: Family
    match metric.kind:
        case Kind.HISTOGRAM:
            family = histogram = HistogramMetricFamily(*arguments, labels=metric.labels)
            bounds = [*map(str, metric.bounds), "+Inf"]
            for labels, (*counts, total) in series.items():
                buckets = [*zip(bounds, accumulate(counts), strict=True)]
                histogram.add_metric(labels, buckets, total)
        case Kind.COUNTER:
            family = counter = CounterMetricFamily(*arguments, labels=metric.labels)
            for labels, (value,) in series.items():
                counter.add_metric(labels, value)
        case Kind.GAUGE:
            family = gauge = GaugeMetricFamily(*arguments, labels=metric.labels)
            for labels, (value,) in series.items():
                gauge.add_metric(labels, value)
    return family
