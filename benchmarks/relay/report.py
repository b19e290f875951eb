"""The table: a row for each figure of a scenario, a column for each target; medians and ratios to nginx."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scenarios import SCENARIOS, Metric

__all__ = ["Result", "table"]


class Result(NamedTuple):
    """What one target did in one scenario of one round."""

    round: int
    scenario: str
    target: str
    figures: Mapping[str, float]


def table(results: Sequence[Result], targets: Sequence[str]) -> str:
    """Return the results in Markdown."""
    lines = [f"| | {' | '.join(targets)} |", f"|---|{'---|' * len(targets)}"]
    for name in dict.fromkeys(result.scenario for result in results):
        scenario = SCENARIOS[name]
        of_scenario = [result for result in results if result.scenario == name]
        for metric in scenario.metrics:
            cells = [_cell(of_scenario, target, metric) for target in targets]
            lines.append(f"| {scenario.title}: {_title(metric, targets)} | {' | '.join(cells)} |")
    others = [_all(results, target, "others_percent") for target in targets]
    shares = [f"{statistics.median(shares):.0f}" if shares else "–" for shares in others]
    lines.append(f"| core taken by other programs, % | {' | '.join(shares)} |")
    errors = [f"{sum(_all(results, target, 'errors')):.0f}" for target in targets]
    lines.append(f"| streams with errors | {' | '.join(errors)} |")
    return "\n".join(lines)


def _all(results: Sequence[Result], target: str, name: str) -> list[float]:
    return [result.figures[name] for result in results if result.target == target and name in result.figures]


def _title(metric: Metric, targets: Sequence[str]) -> str:
    return f"{metric.title} added" if metric.is_added and "direct" in targets else metric.title


def _cell(results: Sequence[Result], target: str, metric: Metric) -> str:
    """Return the median, and the median of the rounds' ratios to nginx."""
    values = _by_round(results, target, metric)
    if not values:
        return "–"
    value = statistics.median(values.values())
    direct = _by_round(results, "direct", metric) if metric.is_added and target != "direct" else {}
    if direct:
        value -= statistics.median(direct.values())
    text = f"{value:,.{metric.digits}f}"
    if metric.is_ratio and target != "nginx":
        nginx = _by_round(results, "nginx", metric)
        ratios = [values[number] / nginx[number] for number in values if nginx.get(number)]
        text += f" ({statistics.median(ratios):.2f} ×)" if ratios else ""
    return text


def _by_round(results: Sequence[Result], target: str, metric: Metric) -> dict[int, float]:
    return {
        result.round: result.figures[metric.name]
        for result in results
        if result.target == target and metric.name in result.figures
    }
