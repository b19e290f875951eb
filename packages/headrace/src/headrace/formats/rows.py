"""How tables are written: what several families say alike, and short forms for it."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from headrace.formats.format import Guard, Look, Mode, Step

__all__ = ["BETWEEN_ARGUMENTS", "IN_ANSWER", "IN_THINKING", "THINK", "Rows", "after_space", "each"]

Rows: TypeAlias = dict[tuple[Mode, str], Step]
"""Some rows of a table: (mode, marker) -> step."""

IN_THINKING: Final = (Mode.THINKING, Mode.REASONING)
IN_ANSWER: Final = (Mode.START, Mode.OPEN, Mode.CONTENT, Mode.CALLS)
BETWEEN_ARGUMENTS: Final = (Mode.ARGUMENTS, Mode.STRAY)

THINK: Final[Rows] = {
    (Mode.START, "<think>"): Step(Mode.REASONING),
    (Mode.THINKING, "<think>"): Step(Mode.REASONING),
    (Mode.THINKING, "</think>"): Step(Mode.OPEN),
    (Mode.REASONING, "</think>"): Step(Mode.OPEN),
    (Mode.CALLS, "</think>"): Step(Mode.OPEN),
}
"""Thinking between tags. Where the prompt writes the first one, the output may repeat it; a call may
stand before the last one.
"""


def each(modes: Iterable[Mode], marker: str, step: Step) -> Rows:
    """The same row for several modes."""
    return {(mode, marker): step for mode in modes}


def after_space(*items: str | Look) -> Guard:
    """The guard that any of `items` follows, after white space."""
    return tuple((Look.SPACE, item) for item in items)
