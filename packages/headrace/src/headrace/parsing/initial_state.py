"""Where an output begins: inside the thinking, after it, or before it.

The end of the rendered prompt decides, not the request: a template may have no switch for the thinking, or
write no tag after a tool result. The parser and the grammar of constrained decoding share this function.
"""

import re
from typing import Final

from headrace.formats import Format, State

__all__ = ["initial_state"]

_NO_TEXT: Final = re.compile(r"(?:<[^<>]+>)?")


def initial_state(format: Format, prompt: str, *, thinking: bool) -> State:
    """Return THINKING if the prompt has opened the thinking, OPEN if none is expected, else START.

    Args:
        format: of the model.
        prompt: as rendered; "" if another server renders it, so that the request and the family decide.
        thinking: whether the request enables thinking.
    """
    if not prompt:
        if thinking or format.always_thinks:
            return format.initial_state
    elif format.thinking_tags:
        opening, closing = format.thinking_tags
        end = prompt.rstrip()
        if end.endswith(closing):
            return State.OPEN
        # Another tag may follow, such as Seed-OSS's `<seed:cot_budget_reflect>`.
        if opening in end and _NO_TEXT.fullmatch(end.rpartition(opening)[2]):
            return State.THINKING
    return State.START if thinking else State.OPEN
