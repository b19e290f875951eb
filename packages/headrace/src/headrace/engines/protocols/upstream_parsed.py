"""The format of text that a server has parsed: at most its thinking may have been left in it."""

from typing import Final

from headrace.formats import Format, State, Transition

__all__ = ["UPSTREAM_PARSED"]

UPSTREAM_PARSED: Final = Format(
    name="parsed-elsewhere",
    transitions={
        (State.START, "<think>"): Transition(State.REASONING),
        (State.OPEN, "<think>"): Transition(State.REASONING),
        (State.REASONING, "</think>"): Transition(State.OPEN),
    },
    leads={State.OPEN: "\n\n"},
)
