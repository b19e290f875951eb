r"""Apertus.

    output  ["<|inner_prefix|>" reasoning "<|inner_suffix|>"] content calls
    calls   "<|tools_prefix|>[" call (", " call)* "]<|tools_suffix|>"
    call    '{"' name '": ' {…} "}"

Sources: the chat template of swiss-ai/Apertus-8B-Instruct-2509, SGLang's parser `apertus2509`.
"""

from typing import Final

from headrace.formats.format import (
    Condition,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
)
from headrace.formats.transitions import IN_ANSWER, IN_THINKING, after_space, each

__all__ = ["FAMILY"]

_BLOCK, _BLOCK_END = "<|tools_prefix|>[", "<|tools_suffix|>"
_NAME_END: Final = ('"', Lookahead.SPACE, ":")
_CALL: Final = (Lookahead.SPACE, "{", Lookahead.SPACE, '"')
_KNOWN_CALL: Final[Condition] = ((*_CALL, Lookahead.KNOWN_NAME, *_NAME_END),)
_ANY_CALL: Final[Condition] = (
    (*_CALL, Lookahead.ANY_NAME, *_NAME_END),
    (Lookahead.SPACE, "]", Lookahead.SPACE, _BLOCK_END),
)
_BLOCK_ENDS: Final = after_space("]", _BLOCK_END, Lookahead.END)

_APERTUS: Final = Format(
    name="apertus",
    model_names="apertus",
    thinking_tags=("<|inner_prefix|>", "<|inner_suffix|>"),
    transitions={
        **each(IN_THINKING, _BLOCK, Transition(State.CALLS, _KNOWN_CALL)),
        **each(IN_ANSWER, _BLOCK, Transition(State.CALLS, _ANY_CALL)),
        (State.CALLS, "{"): Transition(State.CALLS, (_ANY_CALL[0][2:],)),
        (State.CALLS, '"'): Transition(State.NAME, (_ANY_CALL[0][4:],)),
        (State.NAME, '"'): Transition(State.CALL_HEADER),
        (State.CALL_HEADER, ":"): Transition(State.BEFORE_BODY),
        (State.CALLS, "}"): Transition(State.CALLS, (*_BLOCK_ENDS, (Lookahead.SPACE, ","))),
        (State.CALLS, ","): Transition(State.CALLS, _ANY_CALL),
        (State.CALLS, "]"): Transition(State.CALLS, after_space(_BLOCK, _BLOCK_END, Lookahead.END)),
        (State.CALLS, _BLOCK_END): Transition(State.CALLS),
        # Swapped tags.
        **each(
            (State.START, State.OPEN, State.CONTENT),
            _BLOCK_END,
            Transition(State.CALLS, _KNOWN_CALL, partial=False),
        ),
        (State.CALLS, _BLOCK): Transition(State.CALLS),
        # Missing and doubled tags, and broken JSON.
        **each(IN_ANSWER, _BLOCK + _BLOCK, Transition(State.CALLS, _KNOWN_CALL)),
        **each((State.NAME, State.CALL_HEADER, State.BEFORE_BODY), _BLOCK_END, Transition(State.CALLS)),
        (State.BODY, _BLOCK_END): Transition(State.CALLS, ((Lookahead.OUTSIDE_STRING,),)),
    },
    stop_tokens=("<|assistant_end|>", "</s>"),
    syntax=Syntax(call='{"{name}": {arguments}}', calls=f"{_BLOCK}{{calls}}]{_BLOCK_END}", separator=", "),
)
FAMILY: Final = (_APERTUS,)
