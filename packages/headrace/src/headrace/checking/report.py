"""A report as text for terminals, JSON, or JUnit's XML.

Frames and messages come from the endpoint. Control characters, and those that reorder text, are escaped, so
that they can do nothing in a terminal or a page.
"""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from headrace.checking.html import html
from headrace.checking.rule import Result, Rule
from headrace.checking.rules import RULES
from headrace.checking.run import Report
from headrace.visible import make_visible

__all__ = ["RULE_OF", "counts", "encode_json", "encode_junit", "encode_text", "head", "hex_lines"]

RULE_OF: Final[dict[str, Rule]] = {rule.id: rule for rule in RULES}
"""The rules by id."""

_MAX_FRAME: Final = 256  # bytes shown
_PER_LINE: Final = 16


def hex_lines(frame: bytes) -> Iterator[str]:
    """Yield the lines of a hexadecimal dump: offset, bytes, and the ASCII characters among them."""
    for start in range(0, min(len(frame), _MAX_FRAME), _PER_LINE):
        part = frame[start : min(start + _PER_LINE, _MAX_FRAME)]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        yield f"{start:04x}  {part.hex(' '):{3 * _PER_LINE}} {text}"
    if len(frame) > _MAX_FRAME:
        yield f"and {len(frame) - _MAX_FRAME} more bytes"


def counts(report: Report) -> str:
    """Return how many rules hold, are broken, unsteady, skipped."""
    count = Counter(result.outcome for result in report.results)
    return ", ".join(f"{count[outcome]} {outcome}" for outcome in ("holds", "broken", "unsteady", "skipped"))


def head(report: Report) -> dict[str, str]:
    """Return what identifies the endpoint and the proxies in front of it."""
    named = {"Server": "not sent", "Via": "not sent"}
    named |= {name.title(): value for name, value in report.headers.items()}
    values = {"URL": report.url, "Model": report.model, "APIs": ", ".join(report.apis)}
    values |= {"HTTP version": report.http_version} | named
    return {name: make_visible(value) for name, value in values.items()}


def encode_text(report: Report) -> str:
    """Return a line for each rule, with details of those that are broken."""
    lines = [f"{name}: {value}" for name, value in head(report).items()]
    width = max(len(result.rule) for result in report.results)
    for result in report.results:
        lines.append(f"{_outcome(result):18} {result.rule:{width}}  {RULE_OF[result.rule].sentence}")
        if result.broken:
            lines += (f"    {line}" for line in _details(result))
        elif result.text:
            lines.append(f"    {make_visible(result.text)}")
    return "\n".join([*lines, counts(report), ""])


def encode_json(report: Report) -> str:
    """Return the report as a JSON object, in ASCII. A frame is an object of `hex` and `text`."""
    results = [
        msgspec.structs.asdict(result)
        | {"frame": {"hex": result.frame.hex(), "text": result.frame.decode("utf-8", "backslashreplace")}}
        | {name: getattr(RULE_OF[result.rule], name) for name in ("sentence", "breaks", "source")}
        for result in report.results
    ]
    return json.dumps(msgspec.structs.asdict(report) | {"results": results}, indent=2) + "\n"


def encode_junit(report: Report) -> str:
    """Return the report as a test suite of JUnit's XML, a test case for each rule."""
    cases = []
    for result in report.results:
        inner = ""
        if result.broken:
            message = f"{_outcome(result)}: {result.text}"
            inner = f'<failure message="{html(message)}">{_xml_lines(_details(result))}</failure>'
        elif result.outcome == "skipped":
            inner = f'<skipped message="{html(result.text)}"/>'
        cases.append(f'<testcase classname="headrace.check" name="{html(result.rule)}">{inner}</testcase>')
    failures = sum(result.broken > 0 for result in report.results)
    skipped = sum(result.outcome == "skipped" for result in report.results)
    suite = f'<testsuite name="{html(report.url)}" tests="{len(cases)}" failures="{failures}"'
    return "\n".join(
        [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'{suite} skipped="{skipped}">',
            *cases,
            "</testsuite>",
            "",
        ]
    )


def _outcome(result: Result) -> str:
    return (
        f"unsteady {result.broken} of {result.observed}" if result.outcome == "unsteady" else result.outcome
    )


def _details(result: Result) -> Iterator[str]:
    rule = RULE_OF[result.rule]
    share = f"broken in {result.broken} of {result.observed}"
    yield f"{make_visible(result.text)} (request: {result.request}; {share})"
    yield rule.breaks
    yield rule.source
    if result.frame:
        yield make_visible(result.frame[:_MAX_FRAME].decode("utf-8", "backslashreplace"))
        yield from hex_lines(result.frame)


def _xml_lines(lines: Iterator[str]) -> str:
    return "\n".join(map(html, lines))
