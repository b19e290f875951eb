r"""Models of unknown families.

    text           content | call ("\n" call)*
    text-thinking  ["<think>\n" reasoning "\n</think>\n\n"] text
    call           {"name": …, "arguments": {…}}

The markup of calls is not known. Headrace describes the tools, and calls as such objects.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.call_objects import call_object_syntax
from headrace.formats.format import ANY_TEXT, Format, State, Transition
from headrace.formats.transitions import BARE_CALL_OBJECT, LINE_ENDS, THINK, each

__all__ = ["FAMILY", "TEXT", "TEXT_WITH_THINKING", "UNKNOWN"]

_CALL: Final = Transition(State.CALL_OBJECT, BARE_CALL_OBJECT)

TEXT: Final = Format(
    name="text",
    transitions={
        **each((State.START, State.OPEN), ANY_TEXT, _CALL),
        (State.CALLS, ANY_TEXT): _CALL,
    },
    stop_tokens=("</s>", "<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>"),
    leading_text={State.START: "\n\n", State.OPEN: "\n\n"},
    syntax=call_object_syntax(),
)
TEXT_WITH_THINKING: Final = replace(
    TEXT,
    name="text-thinking",
    thinking_tags=THINK,
    transitions={**TEXT.transitions, (State.REASONING, "\n</think>"): Transition(State.OPEN)},
    leading_text=LINE_ENDS,
)
UNKNOWN: Final = (TEXT, TEXT_WITH_THINKING)
"""The formats of models of unknown families."""

FAMILY: Final = UNKNOWN
