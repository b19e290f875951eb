"""Draws the tables and plots of docs/scale.md from benchmarks/scale.py."""

import re
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from draw_blocks import replace_blocks
from draw_plots import Axis, Plot

from scale import COSTS, LOAD, STREAMS, Costs, Load, breaking_points, deploy, lost_zone, needs

PAGE: Final = Path(__file__).with_name("scale.md")
_DECADES: Final = tuple(10.0**power for power in range(3, 8))


def redraw(page: str) -> str:
    """Return the page with new tables."""
    blocks = {"parts": _parts(), "needs": _needs(), "limits": _limits(), "deployments": _deployments()}
    return replace_blocks(page, blocks)


def _parts() -> Iterator[str]:
    yield "| part | value | of |"
    yield "|---|---|---|"
    for of, values in ((Costs, COSTS), (Load, LOAD)):
        texts = dict(re.findall(r"^ {8}(\w+): (.*)$", of.__doc__ or "", re.MULTILINE))
        for field in fields(values):
            yield f"| `{field.name}` | {getattr(values, field.name):,.10g} | {texts[field.name]} |"


def _needs() -> Iterator[str]:
    columns = [needs(streams) for streams in STREAMS]
    yield f"| concurrent streams | {' | '.join(f'{each.streams:,}' for each in columns)} |"
    yield "|---|" + "---|" * len(columns)
    for title, digits, unit, name in (
        ("cores for Headrace", 1, 1.0, "headrace"),
        ("cores for proxies (nginx)", 1, 1.0, "proxies"),
        ("cores for Redis", 1, 1.0, "redis"),
        ("memory of streams, GB", 2, 1e9, "memory"),
        ("calls of Redis per second", 0, 1.0, "redis_calls"),
        ("bytes to and from Redis per second, MB", 1, 1e6, "redis_bytes"),
        ("bytes to clients per second, MB", 1, 1e6, "client_bytes"),
        ("dollars per hour, cores only", 2, 1.0, "dollars"),
    ):
        values = [getattr(each, name) / unit for each in columns]
        yield f"| {title} | {' | '.join(f'{value:,.{digits}f}' for value in values)} |"


def _limits() -> Iterator[str]:
    yield "| what breaks, with no idle core | at streams |"
    yield "|---|---|"
    for what, streams in breaking_points().items():
        yield f"| {what} | {float(f'{streams:.2g}'):,.0f} |"


def _deployments() -> Iterator[str]:
    yield "| streams | replicas at once | takes | streams moved per second | moves of one that outlasts it |"
    yield "|---|---|---|---|---|"
    for streams in STREAMS:
        for share, shown in ((0.0, "1"), (0.1, "10 %")):
            done = deploy(streams, share)
            moves = f"{done.moves:.1f}; {done.moves_balanced:.0f} if balanced by connections"
            yield f"| {streams:,} | {shown} | {_duration(done.seconds)} | {done.returning:,.0f} | {moves} |"


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _course(spread: float, share: float) -> list[tuple[float, float]]:
    course = lost_zone(STREAMS[1], spread, load=replace(LOAD, share=share), seconds=31)
    return [(second.at, min(second.busy, 2.0)) for second in course]


PLOTS: Final = (
    Plot(
        "scale-cores.svg",
        "Cores, twice what is busy",
        Axis("concurrent streams", _DECADES, is_log=True),
        Axis("cores", tuple(10.0**power for power in range(-1, 6)), is_log=True),
        {
            name: [(streams, getattr(needs(int(streams)), part)) for streams in _DECADES]
            for name, part in (("Headrace", "headrace"), ("nginx", "proxies"), ("Redis", "redis"))
        },
    ),
    Plot(
        "scale-zone.svg",
        "A lost zone: busy share of the replicas that are left",
        Axis("seconds after the loss", (0, 5, 10, 15, 20, 25, 30)),
        Axis("busy", (0, 0.5, 1, 1.5, 2)),
        {
            "half busy before, back within 1 s": _course(1, 0.5),
            "half busy before, back within 10 s": _course(10, 0.5),
            "two thirds busy before, back within 1 s": _course(1, 0.66),
            "two thirds busy before, back within 10 s": _course(10, 0.66),
        },
    ),
)
"""Files beside the page."""
