"""The format of text that an upstream has parsed, except for the thinking in some cases."""

from typing import Final

from headrace.formats import Format, State, Transition

__all__ = ["UPSTREAM_PARSED"]

UPSTREAM_PARSED: Final = Format(
    name="parsed-elsewhere",
    thinking_tags=("<think>", "</think>"),
    transitions={(State.OPEN, "<think>"): Transition(State.REASONING)},
    leading_text={State.OPEN: "\n\n"},
)
