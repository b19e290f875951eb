"""Line plots as SVG, always the same bytes for the same figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Axis", "Plot"]

_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_FONT: Final = 'font-family="sans-serif" font-size="12"'
_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 28, 44
_COLORS: Final = ("#0b6e99", "#b4471f", "#5b7f2b", "#6b4fa0")

Points = Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """An axis: its title, and the values at which it has a line, in order."""

    title: str
    ticks: Sequence[float]
    is_log: bool = False

    def position(self, value: float) -> float:
        """Return where a value is, from 0 to 1."""
        scale: Callable[[float], float] = math.log10 if self.is_log else float
        first, last = scale(self.ticks[0]), scale(self.ticks[-1])
        return (scale(value) - first) / (last - first)


class Plot:
    """A file of docs/ with lines; has what docs/draw.py expects of a module.

    Args:
        name: of the file.
        title: above the lines.
        x: the horizontal axis.
        y: the vertical one.
        lines: points by their names.
    """

    def __init__(self, name: str, title: str, x: Axis, y: Axis, lines: Mapping[str, Points]) -> None:
        self.PAGE = Path(__file__).with_name(name)
        self._title, self._x, self._y, self._lines = title, x, y, lines

    def redraw(self, _: str) -> str:
        """Return the file."""
        parts = [
            f'<svg xmlns="{_NAMESPACE}" viewBox="0 0 {_WIDTH} {_HEIGHT}" {_FONT}>',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
            _text(_LEFT, 16, self._title, anchor="start", weight="bold"),
            _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, self._x.title),
        ]
        for tick in self._x.ticks:
            x, bottom = self._at(tick, self._y.ticks[0])
            parts += [_line(x, _TOP, x, bottom), _text(x, bottom + 16, _shown(tick))]
        for tick in self._y.ticks:
            left, y = self._at(self._x.ticks[0], tick)
            parts += [_line(left, y, _WIDTH - _RIGHT, y), _text(left - 6, y + 4, _shown(tick), anchor="end")]
        for color, (name, points), row in zip(_COLORS, self._lines.items(), range(4), strict=False):
            drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self._at(*point) for point in points))
            parts.append(f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{drawn}"/>')
            parts.append(_text(_LEFT + 10, _TOP + 18 + 16 * row, name, anchor="start", color=color))
        return "\n".join([*parts, "</svg>\n"])

    def _at(self, x: float, y: float) -> tuple[float, float]:
        across, up = self._x.position(x), self._y.position(y)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(
    x: float, y: float, text: str, *, anchor: str = "middle", color: str = "#333", weight: str = "normal"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}" font-weight="{weight}"'
    return f"<text {place}>{text}</text>"


def _shown(value: float) -> str:
    """Return a number as people read it: 1,000 or 10⁷."""
    if value >= 100_000:
        return "10" + str(round(math.log10(value))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{value:,.6g}"
