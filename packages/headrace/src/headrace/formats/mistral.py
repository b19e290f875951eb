r"""Mistral, from Nemo on.

    output  ["[THINK]" reasoning "[/THINK]"] content calls*
    calls   "[TOOL_CALLS][" {"name": …, "arguments": {…}, "id": …} ("," …)* "]"        Nemo
          | "[TOOL_CALLS]" name ["[CALL_ID]" id] "[ARGS]" {…}                          Small 3.2, Devstral

Source: mistralai/mistral-common, tokens/tokenizers/instruct.py, versions 3, 11 and 13.
"""

from typing import Final

from headrace.formats.format import ANY_TEXT, Condition, Format, Lookahead, State, Syntax, Transition
from headrace.formats.transitions import (
    ANY_CALL_OBJECT,
    BARE_CALL_OBJECT,
    IN_ANSWER,
    IN_THINKING,
    KNOWN_CALL_OBJECT,
    NAME_BEFORE_BODY,
    behind,
    each,
    first_of,
    json_repairs,
    misplaced_tags,
)

__all__ = ["FAMILY"]

# Some engines omit `[ARGS]` from the text.
_NAME: Final[Condition] = tuple(
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, then) for then in ("[ARGS]", "[CALL_ID]", "{")
)
_KNOWN_NAME: Final[Condition] = tuple(
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, then) for then in ("[ARGS]", "[CALL_ID]", "{")
)
_BARE: Final[Condition] = (
    (Lookahead.KNOWN_NAME, "[ARGS]", Lookahead.SPACE, "{"),
    (Lookahead.KNOWN_NAME, "[TOOL_CALLS]", Lookahead.SPACE, "{"),
)

_MISTRAL: Final = Format(
    name="mistral",
    model_names="mistral|mixtral|devstral|magistral|ministral",
    thinking_tags=("[THINK]", "[/THINK]"),
    transitions=first_of(
        {
            **each(IN_THINKING, "[TOOL_CALLS]", Transition(State.BEFORE_NAME, _KNOWN_NAME)),
            **each(IN_ANSWER, "[TOOL_CALLS]", Transition(State.BEFORE_NAME, _NAME)),
            **each(IN_ANSWER, "[TOOL_CALLS][", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
            **each(IN_ANSWER, "[TOOL_CALLS] [", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
            (State.CALLS, ","): Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT),
            (State.CALLS, "]"): Transition(State.CALLS),
            (State.NAME, "[CALL_ID]"): Transition(State.CALL_ID),
            (State.NAME, "[ARGS]"): Transition(State.BEFORE_BODY),
            (State.CALL_ID, "[ARGS]"): Transition(State.BEFORE_BODY),
            # Missing, doubled and swapped tags.
            **json_repairs("[TOOL_CALLS]", "[ARGS]", _KNOWN_NAME, _BARE),
            # Broken JSON.
            (State.BODY, "[TOOL_CALLS]"): Transition(
                State.CALLS, ((Lookahead.OUTSIDE_STRING,),), consume=False
            ),
        },
        misplaced_tags(("[TOOL_CALLS]", "[ARGS]"), (), NAME_BEFORE_BODY),
        {
            (State.CALLS, ","): Transition(State.BEFORE_NAME, _BARE),
            **each(
                (State.START, State.OPEN),
                ANY_TEXT,
                Transition(State.NAME, _BARE, otherwise=Transition(State.CALL_OBJECT, BARE_CALL_OBJECT)),
            ),
            **each(
                IN_ANSWER,
                "[TOOL_CALLS][",
                Transition(State.CALLS, behind("[TOOL_CALLS][", KNOWN_CALL_OBJECT)),
            ),
        },
    ),
    stop_tokens=("</s>",),
    syntax=Syntax(call="[TOOL_CALLS]{name}[ARGS]{arguments}"),
)
FAMILY: Final = (_MISTRAL,)
