r"""Kimi K2 and K3.

    K2  calls     "<|tool_calls_section_begin|>" call* "<|tool_calls_section_end|>"
        call      "<|tool_call_begin|>" id "<|tool_call_argument_begin|>" {…} "<|tool_call_end|>"
        id        "functions." name ":" number
    K3  output    reasoning "<|close|>think<|sep|>" answer calls
        answer    "<|open|>response<|sep|>" content "<|close|>response<|sep|>"
        calls     "<|open|>tools<|sep|>" call* "<|close|>tools<|sep|>"
        call      '<|open|>call tool="' name '" index="' number '"<|sep|>' argument* "<|close|>call<|sep|>"
        argument  '<|open|>argument key="' key '" type="' type '"<|sep|>' value "<|close|>argument<|sep|>"

In K2, the section's tags are sometimes missing, and the thinking may contain calls. The prompt of K3 ends
with `<|open|>think<|sep|>` or, without thinking, `<|open|>response<|sep|>`. Instead of arguments, it may
write `<|open|>json type="object"<|sep|>` {…} `<|close|>json<|sep|>`.
Sources: moonshotai/Kimi-K2-Instruct, docs/tool_call_guidance.md; llama.cpp's template of Kimi K3.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import (
    Condition,
    Encoding,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
)
from headrace.formats.parameters import ParameterTags, parameter_transitions
from headrace.formats.transitions import (
    BETWEEN_ARGUMENTS,
    IN_ANSWER,
    IN_THINKING,
    NAME_BEFORE_BODY,
    THINK,
    after_space,
    answer_between,
    each,
    first_of,
    json_repairs,
    misplaced_tags,
)

__all__ = ["FAMILY"]

_SECTION, _SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
_CALL, _CALL_END = "<|tool_call_begin|>", "<|tool_call_end|>"
_ARGUMENTS = "<|tool_call_argument_begin|>"

_KNOWN_ID: Final[Condition] = (
    (Lookahead.SPACE, "functions.", Lookahead.KNOWN_NAME, ":"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, ":"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, _ARGUMENTS),
)
_ID: Final[Condition] = (
    *_KNOWN_ID,
    (Lookahead.SPACE, Lookahead.ANY_NAME, ":"),
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, _ARGUMENTS),
)
_KNOWN_ID_PREFIX: Final[Condition] = (("functions.", Lookahead.KNOWN_NAME, ":"),)
_ANY_CALL: Final[Condition] = (
    *after_space(_CALL, _SECTION_END),
    (Lookahead.SPACE, "functions.", Lookahead.KNOWN_NAME, ":"),
)
_KNOWN_CALL: Final[Condition] = tuple((Lookahead.SPACE, _CALL, *path) for path in _KNOWN_ID)

_KIMI_K2: Final = Format(
    name="kimi-k2",
    model_names=r"kimi-?k2",
    transitions=first_of(
        {
            **each(IN_THINKING, _SECTION, Transition(State.CALLS, _KNOWN_CALL)),
            **each(IN_ANSWER, _SECTION, Transition(State.CALLS, _ANY_CALL)),
            **each(IN_THINKING, _CALL, Transition(State.BEFORE_NAME, _KNOWN_ID)),
            **each(IN_ANSWER, _CALL, Transition(State.BEFORE_NAME, _ID)),
            (State.NAME, _ARGUMENTS): Transition(State.BEFORE_BODY),
            (State.CALLS, _CALL_END): Transition(State.CALLS),
            (State.CALLS, _SECTION_END): Transition(State.CALLS),
            # Missing, doubled and swapped tags.
            **json_repairs(_CALL, _ARGUMENTS, _KNOWN_ID, _KNOWN_ID_PREFIX),
            **each(IN_ANSWER, _SECTION + _SECTION, Transition(State.CALLS, after_space(_CALL))),
            (State.NAME, _CALL_END): Transition(
                State.BEFORE_BODY, ((Lookahead.SPACE, "{"),), otherwise=Transition(State.CALLS)
            ),
            # Missing or broken JSON.
            (State.BEFORE_BODY, _CALL_END): Transition(State.CALLS),
            (State.BODY, _CALL_END): Transition(
                State.CALLS, ((Lookahead.OUTSIDE_STRING,), *after_space(_CALL, _SECTION_END, Lookahead.END))
            ),
        },
        misplaced_tags(
            (_SECTION, _CALL, _ARGUMENTS),
            (_CALL_END, _SECTION_END),
            ((Lookahead.TAGS, "functions.", Lookahead.KNOWN_NAME, ":"), *NAME_BEFORE_BODY),
        ),
    ),
    stop_tokens=("<|im_end|>", "[EOS]"),
    name_pattern=r"(?:functions\.)?(?P<name>.+?)(?::\d+)?",
    syntax=Syntax(
        call=f"{_CALL}functions.{{name}}:{{index}}{_ARGUMENTS}{{arguments}}{_CALL_END}",
        calls=f"{_SECTION}{{calls}}{_SECTION_END}",
    ),
)
_KIMI_K2_THINKING: Final = replace(
    _KIMI_K2,
    name="kimi-k2-thinking",
    model_names=r"kimi-?k2-thinking",
    thinking_tags=THINK,
    initial_state=State.THINKING,
)

_K3_MESSAGE_END: Final = "<|close|>message<|sep|>"
_K3_TAGS: Final = ParameterTags(
    before_block="",
    block="<|open|>tools<|sep|>",
    block_end="<|close|>tools<|sep|>",
    call='<|open|>call tool="',
    name_end='" index="',
    attributes_end="<|sep|>",
    call_end="<|close|>call<|sep|>",
    parameter='<|open|>argument key="',
    key_ends={
        '" type="string"<|sep|>': Encoding.TEXT,
        **{
            f'" type="{type_}"<|sep|>': Encoding.JSON_EXCEPT_STRING
            for type_ in ("number", "boolean", "null", "object", "array")
        },
    },
    parameter_end="<|close|>argument<|sep|>",
)
_KIMI_K3: Final = Format(
    name="kimi-k3",
    model_names=r"kimi-?k3",
    thinking_tags=("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    transitions={
        **answer_between(
            "<|open|>response<|sep|>",
            "<|close|>response<|sep|>",
            _K3_TAGS.block,
            _K3_TAGS.call,
            _K3_MESSAGE_END,
        ),
        **parameter_transitions(_K3_TAGS),
        **each(BETWEEN_ARGUMENTS, '<|open|>json type="object"<|sep|>', Transition(State.BEFORE_BODY)),
        (State.ARGUMENTS, "<|sep|>"): Transition(State.ARGUMENTS),
        (State.CALLS, "<|close|>json<|sep|>"): Transition(State.CALLS),
        **each((State.START, State.OPEN, State.CONTENT), _K3_MESSAGE_END, Transition(State.OPEN)),
        (State.CALLS, _K3_MESSAGE_END): Transition(State.CALLS),
    },
    initial_state=State.THINKING,
    stop_tokens=("<|end_of_msg|>",),
    syntax=Syntax(
        call=(
            '<|open|>call tool="{name}" index="{index}"<|sep|><|open|>json type="object"<|sep|>{arguments}'
            "<|close|>json<|sep|><|close|>call<|sep|>"
        ),
        calls="<|open|>tools<|sep|>{calls}<|close|>tools<|sep|>",
    ),
)
FAMILY: Final = (_KIMI_K3, _KIMI_K2_THINKING, _KIMI_K2)
