"""What was measured, as Prometheus reads it."""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

from headrace.models import ModelRegistry

__all__ = ["Metrics"]


class Metrics(Collector):
    """Reads the figures where they are counted, whenever it is asked.

    Args:
        models: the models that are served.
    """

    def __init__(self, models: ModelRegistry) -> None:
        self._models = models
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """All figures as of now; called by the registry."""
        latency = HistogramMetricFamily(
            "headrace_cancel_latency_seconds",
            "From the moment when a reader left until its generation had stopped.",
            labels=["model"],
        )
        for model in self._models.models:
            figures = model.cancel_latency
            bounds = [*map(str, figures.bounds), "+Inf"]
            buckets = [*zip(bounds, accumulate(figures.counts), strict=True)]
            latency.add_metric([model.names[0]], buckets, figures.sum)
        yield latency

    def encode(self) -> bytes:
        """In Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
