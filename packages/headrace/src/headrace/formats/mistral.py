r"""Mistral, from Nemo on.

    output  ["[THINK]" reasoning "[/THINK]"] content calls*
    calls   "[TOOL_CALLS][" {"name": …, "arguments": {…}, "id": …} ("," …)* "]"        Nemo
          | "[TOOL_CALLS]" name ["[CALL_ID]" id] "[ARGS]" {…}                          Small 3.2, Devstral

Source: mistralai/mistral-common, tokens/tokenizers/instruct.py, versions 3, 11 and 13.
"""

from typing import Final

from headrace.formats.call_objects import ANY_CALL_OBJECT
from headrace.formats.format import Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import IN_ANSWER, each

__all__ = ["MISTRAL"]

# Some engines leave `[ARGS]` out of the text.
_NAME: Final[Condition] = tuple(
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, then) for then in ("[ARGS]", "[CALL_ID]", "{")
)

MISTRAL: Final = Format(
    name="mistral",
    transitions={
        (State.START, "[THINK]"): Transition(State.REASONING),
        (State.REASONING, "[/THINK]"): Transition(State.OPEN),
        **each(IN_ANSWER, "[TOOL_CALLS]", Transition(State.BEFORE_NAME, _NAME)),
        **each(IN_ANSWER, "[TOOL_CALLS][", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        **each(IN_ANSWER, "[TOOL_CALLS] [", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        (State.CALLS, ","): Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT),
        (State.CALLS, "]"): Transition(State.CALLS),
        (State.NAME, "[CALL_ID]"): Transition(State.CALL_ID),
        (State.NAME, "[ARGS]"): Transition(State.BEFORE_BODY),
        (State.NAME, "{"): Transition(State.BODY, keep=True),
        (State.CALL_ID, "[ARGS]"): Transition(State.BEFORE_BODY),
        # The JSON is broken.
        (State.BODY, "[TOOL_CALLS]"): Transition(State.CALLS, ((Lookahead.NO_STRING,),), keep=True),
    },
    stops=("</s>",),
)
