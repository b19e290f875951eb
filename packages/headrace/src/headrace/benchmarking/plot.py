"""Plots as SVG: bars over a logarithmic axis, lines, labelled points, and streams over time."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Final, NamedTuple

__all__ = ["Point", "Span", "histogram", "lines", "log_bins", "points", "streams"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 240, 56, 40, 12
_COLORS: Final = ("var(--first)", "var(--second)", "var(--third)")
_WIDE: Final = 1296  # of the plot of streams, which spans two columns
_ROW: Final = 5  # of the height of a stream

Point = tuple[float, float]


class Span(NamedTuple):
    """A part of a row of `streams`."""

    kind: str
    """The class of its rectangle."""
    begin: float
    end: float


def log_bins(values: Sequence[float], per_decade: int = 8) -> list[tuple[float, float, int]]:
    """Count values above 0 in bins of equal width on a logarithmic axis: (low, high, count)."""
    counts: dict[int, int] = {}
    for value in values:
        number = math.floor(math.log10(max(value, 1e-6)) * per_decade)
        counts[number] = counts.get(number, 0) + 1
    return [
        (10 ** (n / per_decade), 10 ** ((n + 1) / per_decade), counts.get(n, 0))
        for n in (range(min(counts), max(counts) + 1) if counts else ())
    ]


def histogram(bins: Sequence[tuple[float, float, int]], label: str) -> str:
    """Draw bins over a logarithmic axis of seconds."""
    if not bins:
        return _empty(label)
    low, high, most = bins[0][0], bins[-1][1], max(number for _, _, number in bins)
    x, y = _scale_log(low, high), _scale(most)
    bars = "".join(
        f'<rect x="{x(left):.1f}" y="{y(number):.1f}" width="{max(x(right) - x(left) - 1, 1):.1f}" '
        f'height="{_HEIGHT - _BOTTOM - y(number):.1f}" fill="{_COLORS[0]}">'
        f"<title>{_seconds(left)} to {_seconds(right)}: {number}</title></rect>"
        for left, right, number in bins
        if number
    )
    decades = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
    marks = [10.0**decade for decade in decades] or [low, high]
    ticks = [(x(mark), _seconds(mark)) for mark in marks]
    return _frame(bars, ticks, [(y(value), f"{value:g}") for value in (0, most)], label)


def lines(series: Mapping[str, Sequence[Point]], label: str, unit: str = "") -> str:
    """Draw series of points as lines, each with its name; axes begin at 0."""
    every = [point for each in series.values() for point in each]
    if not every:
        return _empty(label)
    right, most = max(x for x, _ in every) or 1.0, max(y for _, y in every) or 1.0
    x, y = _scale_across(0, right), _scale(most)
    drawn = ""
    for number, (name, each) in enumerate(series.items()):
        path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in each)
        color = _COLORS[number % len(_COLORS)]
        drawn += f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
        if len(series) > 1:
            left = _LEFT + 10 + 150 * number
            drawn += f'<text x="{left}" y="10" style="fill: {color}">{escape(name)}</text>'
    heights = [(y(most * part), f"{most * part:.3g}{unit}") for part in (0, 0.5, 1)]
    return _frame(drawn, _ticks(x, 0, right), heights, label)


def points(places: Mapping[str, Point], label: str) -> str:
    """Draw named points, joined in their order; axes begin at 0."""
    if not places:
        return _empty(label)
    right, most = max(x for x, _ in places.values()) or 1.0, max(y for _, y in places.values()) or 1.0
    x, y = _scale_across(0, right * 1.2), _scale(most)
    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in places.values())
    drawn = f'<polyline points="{path}" fill="none" stroke="{_COLORS[0]}" stroke-width="1"/>'
    for name, (at, value) in places.items():
        drawn += f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="4" fill="{_COLORS[0]}"/>'
        drawn += f'<text x="{x(at) + 7:.1f}" y="{y(value) + 4:.1f}">{escape(name)}</text>'
    heights = [(y(most * part), f"{most * part:.3g}") for part in (0, 0.5, 1)]
    return _frame(drawn, _ticks(x, 0, right * 1.2), heights, label)


def streams(rows: Sequence[tuple[str, Iterable[Span]]], begin: float, end: float, label: str) -> str:
    """Draw a row of spans for each stream, below one another, over a common axis of time.

    Args:
        rows: the name and the spans of each stream, in seconds.
        begin: the left end of the axis.
        end: its right end.
        label: what is drawn.
    """
    if not rows:
        return _empty(label)
    x = _scale_across(begin, end, _WIDE)
    height = _TOP + _ROW * len(rows) + _BOTTOM
    drawn = ""
    for number, (name, spans) in enumerate(rows):
        rectangles = "".join(
            f'<rect class="{kind}" x="{x(left):.1f}" width="{max(x(right) - x(left), 0.5):.1f}" '
            f'y="{_TOP + _ROW * number}" height="{_ROW - 1}"/>'
            for kind, left, right in spans
        )
        drawn += f"<g>{rectangles}<title>{escape(name)}</title></g>"
    return _frame(drawn, _ticks(x, begin, end), [], label, width=_WIDE, height=height, style="wide")


def _ticks(x: Callable[[float], float], begin: float, end: float) -> list[tuple[float, str]]:
    """Return round values, about five."""
    least = (end - begin or 1.0) / 6
    decade = 10.0 ** math.floor(math.log10(least))
    step = next(decade * factor for factor in (1, 2, 5, 10) if decade * factor >= least)
    values = [n * step for n in range(math.ceil(begin / step), math.floor(end / step + 1e-9) + 1)]
    return [(x(value), f"{value:.4g}") for value in values]


def _scale_across(begin: float, end: float, width: int = _WIDTH) -> Callable[[float], float]:
    scale = (width - _LEFT - 20) / (end - begin or 1.0)
    return lambda value: _LEFT + (value - begin) * scale


def _scale(most: float) -> Callable[[float], float]:
    return lambda value: _HEIGHT - _BOTTOM - value / most * (_HEIGHT - _BOTTOM - _TOP - 8)


def _scale_log(low: float, high: float) -> Callable[[float], float]:
    width = (_WIDTH - _LEFT - 20) / math.log(high / low)
    return lambda value: _LEFT + math.log(value / low) * width


def _frame(
    drawn: str,
    ticks: list[tuple[float, str]],
    heights: list[tuple[float, str]],
    label: str,
    *,
    width: int = _WIDTH,
    height: int = _HEIGHT,
    style: str = "",
) -> str:
    bottom = height - _BOTTOM
    grid = "".join(
        f'<line x1="{_LEFT}" x2="{width - 20}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        for y, text in heights
    )
    marks = "".join(
        f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>' for x, text in ticks
    )
    name = f'<text x="{width / 2:.0f}" y="{height - 6}" text-anchor="middle">{escape(label)}</text>'
    return f'<svg class="{style}" viewBox="0 0 {width} {height}" role="img">{grid}{drawn}{marks}{name}</svg>'


def _empty(label: str) -> str:
    return f"<p>No values: {escape(label)}</p>"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"
