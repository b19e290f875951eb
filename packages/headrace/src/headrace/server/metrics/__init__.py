"""Prometheus metrics: their names, the shared memory that has their values, and what observes them."""

from headrace.server.metrics.observer import Metrics
from headrace.server.metrics.slots import Slot, clear_gauges, slot_of

__all__ = ["Metrics", "Slot", "clear_gauges", "slot_of"]
