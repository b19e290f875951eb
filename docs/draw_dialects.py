"""Draws the tables of dialects in docs/engines.md from the code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from draw_blocks import replace_blocks

from headrace.engines.protocols import DIALECTS, Dialect

PAGE = Path(__file__).with_name("engines.md")
_THINKING = {
    "object": "`thinking`, `reasoning_effort`",
    "template": "`chat_template_kwargs`",
    "effort": '`reasoning_effort`; off is `"none"`',
}
_STRUCTURE = {
    "json_schema": "`json_schema`",
    "structural_tag": '`response_format` `{"type": "structural_tag"}`',
    "": "–",
}
_PROMPTS = {"text": "text", "ids": "token ids", "mixed": "text of the prompt, token ids of the answer"}
_ROWS: dict[str, Callable[[Dialect], str]] = {
    "detected by": lambda dialect: _names(dialect.owners | dialect.hosts),
    "thinking": lambda dialect: _THINKING[dialect.thinking],
    "in every request": lambda dialect: _fields(dialect.fields),
    "`tool_stream`": lambda dialect: _yes(dialect.tool_stream),
    "`do_sample` false": lambda dialect: "`do_sample`" if dialect.do_sample else "`temperature` 0",
    "further sampling fields": lambda dialect: _names(dialect.forwarded),
    "renamed": lambda dialect: ", ".join(f"`{a}` → `{b}`" for a, b in dialect.renamed.items()) or "–",
    "abort": lambda dialect: (
        f"`POST {dialect.abort.path}`, then the connection is closed"
        if dialect.abort
        else "the connection is closed"
    ),
    "raw text: further fields": lambda dialect: _fields(dialect.completions),
    "raw text with `stop`: further fields": lambda dialect: _fields(dialect.counting),
    "defaults of omitted fields": lambda dialect: _fields(dialect.sampling),
    "raw text: `max_tokens` without a limit": lambda dialect: (
        "the context minus the bytes of the prompt, at least 4096"
        if dialect.unlimited is None
        else f"`{dialect.unlimited}`, or the context if it is known"
        if dialect.unlimited > 0
        else f"`{dialect.unlimited}`"
    ),
    "raw text: structured output": lambda dialect: _STRUCTURE[dialect.structure],
    "an answer is continued by": lambda dialect: _PROMPTS[dialect.continues_by],
}


def _names(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names)) or "–"


def _fields(fields: Any) -> str:
    return ", ".join(f"`{name}: {json.dumps(value)}`" for name, value in fields.items()) or "–"


def _yes(value: bool) -> str:  # noqa: FBT001
    return "yes" if value else "no"


def draw() -> str:
    """Return the table: a row per property, a column per dialect."""
    lines = [
        "| | " + " | ".join(f"`{name}`" for name in DIALECTS) + " |",
        "|---" * (len(DIALECTS) + 1) + "|",
    ]
    for title, cell in _ROWS.items():
        lines.append(f"| {title} | " + " | ".join(map(cell, DIALECTS.values())) + " |")
    return "\n".join(lines)


def redraw(page: str) -> str:
    """Return the page with a new table."""
    return replace_blocks(page, {"dialects": [draw()]})
