"""Draws the table of limits in docs/security.md from the settings classes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from draw_blocks import replace_blocks

from headrace.configuration.groups import LIMITS

PAGE: Final = Path(__file__).with_name("security.md")


def redraw(page: str) -> str:
    """Return the page with a new table."""
    return replace_blocks(page, {"limits": _table()})


def _table() -> Iterator[str]:
    yield "| limit | default | at the limit |"
    yield "|---|---|---|"
    for limit in LIMITS:
        yield f"| `{limit.flag}` | {limit.default} | {limit.at_limit} |"
