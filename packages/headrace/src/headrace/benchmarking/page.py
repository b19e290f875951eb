"""A report as one HTML file."""

from typing import Final

from headrace.benchmarking.plots import STREAM_KINDS, draw_run, draw_series
from headrace.benchmarking.report import (
    DEFINITIONS,
    TOO_FEW,
    VIA,
    Measured,
    Report,
    added_by,
    difference_table,
    facts,
    failures,
    number,
    overview,
    rows,
)
from headrace.checking.html import encode_page, encode_pairs, html

__all__ = ["encode_html"]

_HEAD: Final = (
    "<tr><th></th>"
    + "".join(f'<th class="n">{name}</th>' for name in ("count", "p50", "p90", "p99"))
    + "</tr>"
)
_STYLE: Final = """
:root { --first: #2f6fb5; --second: #1a7f37; --third: #c93c37; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.figures th, .figures td { white-space: normal; overflow-wrap: normal; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; }
svg { width: 100%; font-size: 12px; } svg.wide { grid-column: 1 / -1; }
svg text { fill: currentColor; } svg line { stroke: #8884; }
.waiting { fill: #8886; --color: #888; } .reading { fill: var(--first); --color: var(--first); }
.stall { fill: var(--third); --color: var(--third); }
.cut { fill: var(--third); opacity: .4; --color: var(--third); }
.legend span { margin-right: 1rem; } .legend span::before { content: "■ "; color: var(--color); }
.invalid, .warning { font-weight: 600; color: var(--third); }
"""


def encode_html(report: Report) -> str:
    """Return the page: what compares the runs; facts, percentiles and plots of each; definitions."""
    notes = [("invalid", f"not measured: {report.failure}")] * bool(report.failure)
    body = f"""{_notes(notes)}
{_table(overview(report))}
{_added(report)}
<div class="plots">{"".join(draw_series(report))}</div>
{"".join(map(_section, report.runs))}
<h2>Definitions</h2>
{encode_pairs(DEFINITIONS)}"""
    return encode_page("headrace bench", report.runs[0].run.url, style=_STYLE, body=body)


def _section(measured: Measured) -> str:
    run, summary = measured.run, measured.summary
    notes = [("invalid", f"not valid: {summary.invalid}")] * bool(summary.invalid)
    notes += [("warning", f"warning: {text}") for text in summary.warnings]
    notes += [("failed", text) for text in failures(summary)]
    legend = "".join(f'<span class="{kind}">{html(text)}</span>' for kind, text in STREAM_KINDS.items())
    return f"""<h2>{html(run.settings.loop)}: {html(run.url)}</h2>
{_notes(notes)}
{encode_pairs(facts(run, summary))}
<table>{_HEAD}
{_percentiles(measured)}</table>
<div class="plots">{"".join(draw_run(run))}</div>
<p class="legend">Streams over time: {legend}</p>
"""


def _notes(notes: list[tuple[str, str]]) -> str:
    return "".join(f'<p class="{kind}">{html(text)}</p>' for kind, text in notes)


def _added(report: Report) -> str:
    return "".join(
        f"<p>{html(added_by(report, load))}</p>{_table(difference_table(differences, VIA)) or html(TOO_FEW)}"
        for load, differences in report.added.items()
    )


def _table(table: list[tuple[str, ...]]) -> str:
    """Return a table whose first row has the names of the columns; "" without rows."""
    rows = (
        "".join(f"<{tag}>{html(cell)}</{tag}>" for cell in row)
        for tag, row in zip(("th", *("td" for _ in table)), table, strict=False)
    )
    return f'<table class="figures">{"".join(f"<tr>{row}</tr>" for row in rows)}</table>' if table else ""


def _percentiles(measured: Measured) -> str:
    return "\n".join(
        f'<tr><th>{html(name)}</th><td class="n">{values.count}</td>'
        + "".join(
            f'<td class="n">{number(value, unit)}</td>' for value in (values.p50, values.p90, values.p99)
        )
        + "</tr>"
        for name, values, unit in rows(measured.run, measured.summary)
    )
