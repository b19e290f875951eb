"""Draws the tables of metrics and outcomes in docs/metrics.md from the code that has them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from draw_blocks import replace_blocks

from headrace.server.metrics.table import METRICS, UPSTREAM_METRICS, Metric
from headrace.turns import OutcomeKind

PAGE: Final = Path(__file__).with_name("metrics.md")


def redraw(page: str) -> str:
    """Return the page with new tables."""
    own = [metric for metric in METRICS if metric not in UPSTREAM_METRICS]
    upstreams = _metrics(UPSTREAM_METRICS)
    blocks = {"metrics": _metrics(own), "metrics of models' servers": upstreams, "outcomes": _outcomes()}
    return replace_blocks(page, blocks)


def _metrics(metrics: Iterable[Metric]) -> Iterator[str]:
    yield "| name | type | labels | |"
    yield "|---|---|---|---|"
    for metric in metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |"


def _outcomes() -> Iterator[str]:
    yield "| `outcome` | | when |"
    yield "|---|---|---|"
    for kind in OutcomeKind:
        yield f"| `{kind}` | {kind.result} | {kind.meaning} |"
