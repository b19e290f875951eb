"""The plots of a run, and of the levels of a series."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from headrace.benchmarking.plot import Point, Span, histogram, lines, log_bins, points, streams
from headrace.benchmarking.report import Measured, Report
from headrace.benchmarking.run import Run
from headrace.benchmarking.sample import Sample
from headrace.benchmarking.summary import Summary, percentile

__all__ = ["STREAM_KINDS", "draw_run", "draw_series", "find_stalls"]

_BUCKETS: Final = 30
_MAX_STREAMS: Final = 100
_STALL_FACTOR: Final = 10
_MIN_STALL: Final = 0.05  # seconds

STREAM_KINDS: Final = {
    "waiting": "until the first delta",
    "reading": "deltas",
    "stall": "a stall",
    "cut": "not successful",
}
"""The parts of streams over time."""


def draw_run(run: Run) -> list[str]:
    """Return the plots of a run: gaps, first deltas, requests per second, streams over time."""
    good = [sample for sample in run.samples if sample.outcome == "success"]
    gaps = [gap for sample in good for gap in sample.gaps]
    firsts = sorted(sample.firsts["delta"] for sample in good)
    steps: list[Point] = [(value, (n + 1) / len(firsts) * 100) for n, value in enumerate(firsts)]
    return [
        histogram(log_bins(gaps), "gap between deliveries (logarithmic), number of gaps"),
        lines(
            {"first delta": steps}, "seconds to the first delta (TTFT), share of requests that have it", "%"
        ),
        lines(_rates(run), "planned start in seconds, requests per second"),
        _streams(run, gaps),
    ]


def draw_series(report: Report) -> list[str]:
    """Return the plots of all runs: throughput against the speed of a stream, refusals by load."""
    speeds: dict[str, Point] = {}
    for number, (run, summary) in enumerate(_measured(report.runs), 1):
        speed, total = summary.stream_tokens_per_second.p50, summary.output_tokens_per_second
        if speed is not None and total is not None:
            speeds[f"{number}: {run.settings.load}"] = (speed, total)
    plots = [points(speeds, "tokens/s of a stream (median), tokens/s in total")]
    if len(report.runs) > 1:
        loads = [run.settings.rate or run.settings.concurrency for run, _ in _measured(report.runs)]
        shares = [summary.refused_share * 100 for _, summary in _measured(report.runs)]
        label = "load (at once, or requests per second), share of requests that were refused"
        plots.append(lines({"refused": list(zip(loads, shares, strict=True))}, label, "%"))
    return plots


def find_stalls(sample: Sample, median_gap: float) -> list[tuple[float, float]]:
    """Return the gaps that are far longer than usual, as times after the planned start."""
    least = max(_STALL_FACTOR * median_gap, _MIN_STALL)
    pairs = zip(sample.deliveries, sample.deliveries[1:], strict=False)
    return [(before, after) for before, after in pairs if after - before > least]


def _measured(runs: list[Measured]) -> Iterator[tuple[Run, Summary]]:
    return ((measured.run, measured.summary) for measured in runs)


def _rates(run: Run) -> dict[str, list[Point]]:
    """Return the requests per second that were planned, successful and refused, over the planned start."""
    width = run.settings.duration / _BUCKETS
    series = {
        "planned": run.samples,
        "successful": [sample for sample in run.samples if sample.outcome == "success"],
        "refused": [sample for sample in run.samples if sample.is_refused],
    }
    counts = {
        name: Counter(int((s.planned - run.settings.warmup) / width) for s in samples)
        for name, samples in series.items()
    }
    return {
        name: [((n + 0.5) * width, count[n] / width) for n in range(_BUCKETS)]
        for name, count in counts.items()
    }


def _streams(run: Run, gaps: list[float]) -> str:
    """Draw streams, evenly chosen if there are many."""
    begun = [sample for sample in run.samples if sample.status == 200]
    number, median_gap = len(begun), percentile(gaps, 0.5) or 0.0
    chosen = (
        [begun[n * number // _MAX_STREAMS] for n in range(_MAX_STREAMS)] if number > _MAX_STREAMS else begun
    )
    rows = [(_describe(sample), list(_spans(sample, median_gap))) for sample in chosen]
    end = max((sample.planned + sample.end for sample in chosen), default=0.0)
    measured = f"{run.settings.warmup:g} to {run.settings.warmup + run.settings.duration:g}"
    label = f"seconds; planned starts from {measured} are measured; {len(chosen)} of {number} streams"
    return streams(rows, run.settings.warmup, end, label)


def _spans(sample: Sample, median_gap: float) -> Iterator[Span]:
    start, end = sample.planned, sample.planned + sample.end
    if sample.outcome != "success":
        yield Span("cut", start, end)
        return
    first, last = sample.deliveries[0], sample.deliveries[-1]
    yield Span("waiting", start, start + first)
    yield Span("reading", start + first, start + last)
    for before, after in find_stalls(sample, median_gap):
        yield Span("stall", start + before, start + after)


def _describe(sample: Sample) -> str:
    what = f"planned at {sample.planned:.3f} s: {sample.outcome}, {sample.end:.3f} s"
    return f"{what}, longest gap {max(sample.gaps, default=0.0):.3f} s"
