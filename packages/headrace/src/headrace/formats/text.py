r"""Models of unknown families.

    text           content
    text-thinking  ["<think>\n" reasoning "\n</think>\n\n"] content

Tool calls are not recognized, because their markup is not known.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import Format, State, Transition
from headrace.formats.transitions import LINE_ENDS, THINK

__all__ = ["FAMILY", "TEXT", "TEXT_WITH_THINKING"]

TEXT: Final = Format(
    name="text",
    transitions={},
    stop_tokens=("</s>", "<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>"),
)
TEXT_WITH_THINKING: Final = replace(
    TEXT,
    name="text-thinking",
    thinking_tags=THINK,
    transitions={(State.REASONING, "\n</think>"): Transition(State.OPEN)},
    leading_text=LINE_ENDS,
)
FAMILY: Final = (TEXT, TEXT_WITH_THINKING)
