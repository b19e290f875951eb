"""The format of text that a server has parsed: at most its thinking may have been left in it."""

from typing import Final

from headrace.formats import Format, Mode, Step

__all__ = ["PARSED_ELSEWHERE"]

PARSED_ELSEWHERE: Final = Format(
    name="parsed-elsewhere",
    steps={
        (Mode.START, "<think>"): Step(Mode.REASONING),
        (Mode.OPEN, "<think>"): Step(Mode.REASONING),
        (Mode.REASONING, "</think>"): Step(Mode.OPEN),
    },
    leads={Mode.OPEN: "\n\n"},
)
