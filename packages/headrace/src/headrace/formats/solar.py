r"""Solar Open.

    output   message ("<|begin|>assistant" message)*
    message  "<|think|>" reasoning "<|end|>" | "<|content|>" content "<|end|>" | calls
    calls    "<|tool_calls|>" call* "<|calls|>"
    call     "<|tool_call:begin|>" id "<|tool_call:name|>" name "<|tool_call:args|>" {…} "<|tool_call:end|>"

Source: the chat template of upstage/Solar-Open-100B.
"""

from typing import Final

from headrace.formats.format import ANY_TEXT, Condition, Format, Lookahead, State, Syntax, Transition
from headrace.formats.transitions import (
    IN_ANSWER,
    NAME_BEFORE_BODY,
    after_space,
    each,
    first_of,
    json_repairs,
    misplaced_tags,
)

__all__ = ["FAMILY"]

_BLOCK, _BLOCK_END = "<|tool_calls|>", "<|calls|>"
_CALL, _CALL_END = "<|tool_call:begin|>", "<|tool_call:end|>"
_NAME, _ARGUMENTS = "<|tool_call:name|>", "<|tool_call:args|>"
_MESSAGE, _MESSAGE_END = "<|begin|>assistant", "<|end|>"
_BETWEEN_MESSAGES: Final = (State.START, State.OPEN, State.CALLS)
_KNOWN_NAME: Final[Condition] = (
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, _ARGUMENTS),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "{"),
)
_ANY_NAME: Final[Condition] = (
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, _ARGUMENTS),
    *_KNOWN_NAME,
)

_ID_AND_NAME: Final = (Lookahead.WORDS, _NAME, Lookahead.KNOWN_NAME, _ARGUMENTS)
_SWAPPED: Final[Condition] = (
    (_BLOCK, *_ID_AND_NAME),
    (Lookahead.WORDS, _CALL, Lookahead.KNOWN_NAME, _ARGUMENTS),
    (Lookahead.WORDS, _ARGUMENTS, Lookahead.KNOWN_NAME, _NAME),
)

_SOLAR_OPEN: Final = Format(
    name="solar-open",
    model_names="solar-?open",
    thinking_tags=("<|think|>", _MESSAGE_END),
    transitions=first_of(
        {
            **each(_BETWEEN_MESSAGES, _MESSAGE, Transition(State.OPEN)),
            **each((State.START, State.OPEN), "<|content|>", Transition(State.CONTENT)),
            (State.CONTENT, _MESSAGE_END): Transition(
                State.OPEN, after_space(_MESSAGE, _BLOCK, Lookahead.END)
            ),
            **each(IN_ANSWER, _BLOCK, Transition(State.CALLS, after_space(_CALL, _NAME, _BLOCK, _BLOCK_END))),
            (State.CALLS, _CALL): Transition(State.CALL_ID, ((Lookahead.WORDS, _NAME),)),
            (State.CALL_ID, _NAME): Transition(State.BEFORE_NAME, _ANY_NAME),
            (State.NAME, _ARGUMENTS): Transition(State.BEFORE_BODY),
            **each((State.BEFORE_BODY, State.CALLS), _CALL_END, Transition(State.CALLS)),
            (State.CALLS, _BLOCK_END): Transition(State.CALLS),
            # Missing and doubled tags, and broken JSON.
            **json_repairs(_NAME, _ARGUMENTS, _KNOWN_NAME, _KNOWN_NAME[:1]),
            (State.BODY, _CALL_END): Transition(
                State.CALLS, ((Lookahead.OUTSIDE_STRING,), *after_space(_CALL, _BLOCK_END, Lookahead.END))
            ),
        },
        {
            # Misplaced tags.
            **{
                (state, tag): Transition(State.CALL_ID, (_ID_AND_NAME, *_SWAPPED))
                for state in IN_ANSWER
                for tag in (_BLOCK, _CALL, _NAME)
            },
            (State.CALLS, ANY_TEXT): Transition(State.CALL_ID, (_ID_AND_NAME,)),
            (State.CALL_ID, _CALL): Transition(State.BEFORE_NAME, _KNOWN_NAME),
            (State.CALL_ID, _ARGUMENTS): Transition(State.BEFORE_NAME, ((Lookahead.KNOWN_NAME, _NAME),)),
            (State.CALL_ID, _BLOCK): Transition(State.CALL_ID),
        },
        misplaced_tags((_BLOCK, _CALL, _NAME, _ARGUMENTS), (_CALL_END, _BLOCK_END), NAME_BEFORE_BODY),
    ),
    stop_tokens=("<|end|>", "<|calls|>", "<|flush|>"),
    syntax=Syntax(
        call=f"{_CALL}{{id}}{_NAME}{{name}}{_ARGUMENTS}{{arguments}}{_CALL_END}",
        calls=f"{_BLOCK}{{calls}}{_BLOCK_END}",
        thinking=("<|think|>", _MESSAGE_END + _MESSAGE),
    ),
)
FAMILY: Final = (_SOLAR_OPEN,)
