"""Prometheus metrics."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from headrace.turns import TurnOutcome

__all__ = ["Metrics"]

_CANCEL_BUCKETS: Final = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # seconds


class Metrics:
    """The server's metrics; an observer of turns.

    Args:
        models: canonical names of the served models, whose histograms exist from the start.
    """

    def __init__(self, models: Iterable[str]) -> None:
        self._registry = CollectorRegistry()
        self._finished = Counter(
            "headrace_turns_finished",
            "Turns that this server ended, by the finish reason that the client receives.",
            ["model", "finish_reason"],
            registry=self._registry,
        )
        self._cancel_latency = Histogram(
            "headrace_cancel_latency_seconds",
            "Time from the cancellation of a turn until its engine had stopped.",
            ["model"],
            buckets=_CANCEL_BUCKETS,
            registry=self._registry,
        )
        for model in models:
            self._cancel_latency.labels(model)

    def finished(self, outcome: TurnOutcome) -> None:
        self._finished.labels(outcome.model, outcome.finish_reason).inc()
        if outcome.stop_seconds is not None:
            self._cancel_latency.labels(outcome.model).observe(outcome.stop_seconds)

    def encode(self) -> bytes:
        """Encode all metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
