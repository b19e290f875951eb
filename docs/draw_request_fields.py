"""Draws the table of request fields in docs/wire.md from the code."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from draw_blocks import replace_blocks

from headrace.engines.protocols.dialects import SAMPLING_FIELDS
from headrace.wire import ChatRequest
from headrace.wire.request import INTERNAL_FIELDS
from headrace.wire.translation import TRANSLATED
from headrace.wire.unsupported import REJECTED, WITHOUT_EFFECT

PAGE = Path(__file__).with_name("wire.md")


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a row, the API that has them, and their treatment."""
    supported = [name for name in ChatRequest.__struct_fields__ if name not in INTERNAL_FIELDS]
    yield _names(supported), "Z.ai, OpenAI", "supported: the table above"
    for name, (api, meaning) in TRANSLATED.items():
        yield _names([name]), api, f"supported as {meaning}"
    forwarded = "forwarded to the model's server if its [dialect](engines.md#dialects) has it"
    yield _names(sorted(SAMPLING_FIELDS)), "OpenAI, vLLM", forwarded
    merged: dict[tuple[str, str], list[str]] = {}
    for name, field in REJECTED.items():
        allowed = " or ".join(f"`{msgspec.json.encode(value).decode()}`" for value in field.allowed)
        unless = f" unless it is {allowed}" if allowed else ""
        merged.setdefault((field.api, f"rejected with code 1212{unless}: {field.instead}"), []).append(name)
    for name, (api, reason) in WITHOUT_EFFECT.items():
        merged.setdefault((api, f"no effect: {reason}"), []).append(name)
    for (api, treatment), names in merged.items():
        yield _names(names), api, treatment


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def redraw(page: str) -> str:
    """Replace the table in the page."""
    table = [("field", "API", "treatment"), ("---",) * 3, *rows()]
    return replace_blocks(page, {"request fields": (f"| {' | '.join(row)} |" for row in table)})
