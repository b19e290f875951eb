"""Draws the table of rules in docs/check.md from the rules of `headrace check`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from draw_blocks import replace_blocks

from headrace.checking import RULES

PAGE: Final = Path(__file__).with_name("check.md")


def redraw(page: str) -> str:
    """Return the page with a new table."""
    return replace_blocks(page, {"rules": _table()})


def _table() -> Iterator[str]:
    yield "| rule | what is required | what goes wrong otherwise | source |"
    yield "|---|---|---|---|"
    for rule in RULES:
        sentence, breaks = (text.replace("|", "\\|") for text in (rule.sentence, rule.breaks))
        yield f"| `{rule.id}` | {sentence} | {breaks} | {_source(rule.source)} |"


def _source(source: str) -> str:
    if not source.startswith("https://"):
        return source
    site, _, number = source.removeprefix("https://").partition("/issues/")
    name = f"{site.removeprefix('github.com/')}#{number}" if number else site.partition("/")[0]
    return f"[{name}]({source})"
