"""How tables are written: what several families say alike, and short forms for it."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from headrace.formats.format import Condition, Lookahead, State, Transition

__all__ = ["BETWEEN_ARGUMENTS", "IN_ANSWER", "IN_THINKING", "THINK", "Transitions", "after_space", "each"]

Transitions: TypeAlias = dict[tuple[State, str], Transition]
"""Some rows of a table: (state, delimiter) -> transition."""

IN_THINKING: Final = (State.THINKING, State.REASONING)
IN_ANSWER: Final = (State.START, State.OPEN, State.CONTENT, State.CALLS)
BETWEEN_ARGUMENTS: Final = (State.ARGUMENTS, State.STRAY)

THINK: Final[Transitions] = {
    (State.START, "<think>"): Transition(State.REASONING),
    (State.THINKING, "<think>"): Transition(State.REASONING),
    (State.THINKING, "</think>"): Transition(State.OPEN),
    (State.REASONING, "</think>"): Transition(State.OPEN),
    (State.CALLS, "</think>"): Transition(State.OPEN),
}
"""Thinking between tags. Where the prompt writes the first one, the output may repeat it; a call may
stand before the last one.
"""


def each(states: Iterable[State], delimiter: str, transition: Transition) -> Transitions:
    """The same row for several states."""
    return {(state, delimiter): transition for state in states}


def after_space(*items: str | Lookahead) -> Condition:
    """The condition that any of `items` follows, after white space."""
    return tuple((Lookahead.SPACE, item) for item in items)
