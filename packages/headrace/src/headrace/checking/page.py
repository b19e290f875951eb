"""A report as one HTML file."""

import re
from collections.abc import Iterator
from typing import Final

from headrace.checking.html import encode_page, encode_pairs, html
from headrace.checking.report import RULE_OF, counts, head, hex_lines
from headrace.checking.rule import Result
from headrace.checking.run import Report

__all__ = ["encode_html"]

_ORDER: Final = ("broken", "unsteady", "skipped", "holds")
_CODE: Final = re.compile("`([^`]+)`")
_STYLE: Final = """
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; background: #8882; padding: .6rem; }
.holds { color: #1a7f37; } .broken, .unsteady { color: #c93c37; font-weight: 600; } .skipped { color: #777; }
pre.hex { white-space: pre; overflow-x: auto; font-size: 12px; }
td:first-child, code { white-space: nowrap; }
table + p { margin: 1rem .7rem; }
"""


def encode_html(report: Report) -> str:
    """Return the page: the endpoint, the counts, and a row for each rule, those that are broken first."""
    results = sorted(report.results, key=lambda result: _ORDER.index(result.outcome))
    rows = "\n".join(map(_row, results))
    body = f"""{encode_pairs(head(report))}
<p>{counts(report)}</p>
<table>
<tr><th>Outcome</th><th>Rule</th><th>What is required, and what was observed</th></tr>
{rows}
</table>"""
    return encode_page("headrace check", report.url, style=_STYLE, body=body)


def _row(result: Result) -> str:
    share = f" {result.broken} of {result.observed}" if result.outcome == "unsteady" else ""
    outcome = f'<td class="{result.outcome}">{result.outcome}{share}</td>'
    return f"<tr>{outcome}<td><code>{html(result.rule)}</code></td><td>{''.join(_cell(result))}</td></tr>"


def _cell(result: Result) -> Iterator[str]:
    rule = RULE_OF[result.rule]
    yield _CODE.sub(r"<code>\1</code>", html(rule.sentence))
    if result.text:
        where = f" (request: {result.request})" if result.request else ""
        yield _CODE.sub(r"<code>\1</code>", f"<p>{html(result.text + where)}</p>")
    if result.broken:
        yield f"<p>{html(rule.breaks)} {html(rule.source)}</p>"
    if result.broken and result.frame:
        text = result.frame[:256].decode("utf-8", "backslashreplace")
        dump = "\n".join(map(html, hex_lines(result.frame)))
        yield f"<pre>{html(text)}</pre><pre class='hex'>{dump}</pre>"
