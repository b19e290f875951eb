"""A run of the load generator against a target, with the CPU time that the target has taken."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from programs import busy_seconds
from targets import Target
from tools import Traffic, Upstream, run_load

__all__ = ["Bench", "Measurement"]

Measurement = Mapping[str, float]
"""Figures by their names. Streams that went wrong are counted as `errors`."""


@dataclass(kw_only=True)
class Bench:
    """What every scenario needs.

    Args:
        upstream: the scripted server.
        core: where the load generator runs.
        seconds: length of a run; None leaves it to the scenario.
    """

    upstream: Upstream
    core: int
    seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    """What went wrong in the run; the caller removes them."""
    _floods: dict[tuple[str, str], int] = field(default_factory=dict)

    def load(self, target: Target, traffic: Traffic) -> Measurement:
        """Run the load generator."""
        core = target.place.core
        before, busy, began = target.cpu(), busy_seconds(core), time.monotonic()
        load = run_load(target.port, traffic, core=self.core, api=target.api)
        if load.first_error:
            self.notes.append(f"{target.name}: {load.first_error}")
        if load.unfinished:
            self.notes.append(f"{target.name}: {load.unfinished} streams were cut by the time limit")
        figures = {
            "errors": load.errors + load.unfinished,
            "rate": load.events / load.seconds if load.seconds else 0,
            "p99_ms": load.latency_p99_us / 1e3,
            "first_byte_ms": load.first_byte_p50_ms,
        }
        if before is not None and (after := target.cpu()) is not None:
            seconds = after.since(before)
            figures["cpu_us"] = seconds * 1e6 / max(1, load.events)
            figures["cpu_us_request"] = seconds * 1e6 / (traffic.streams * traffic.requests)
            others = busy_seconds(core) - busy - seconds
            figures["others_percent"] = max(0.0, 100 * others / (time.monotonic() - began))
        return figures

    def events_of_a_flood(self, target: Target, pace: str, streams: int) -> int:
        """Return how many events a stream needs for a flood of two seconds; found out once."""
        wanted = self.seconds or 2.0
        key = (target.name, pace)
        if key not in self._floods:
            self._floods[key] = self._calibrate(target, pace, streams, wanted)
        return self._floods[key]

    def _calibrate(self, target: Target, pace: str, streams: int, wanted: float) -> int:
        events = 50
        for _ in range(4):
            self.upstream.set_script(pace, events)
            load = run_load(target.port, Traffic(events, streams), core=self.core, api=target.api)
            took = max(load.seconds, 0.001)
            if took > 0.2 * wanted:
                break
            events = int(events * min(20.0, 0.5 * wanted / took))
        return min(9_000_000, max(50, int(events / took * wanted)))
