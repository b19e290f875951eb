r"""Hunyuan 3 (Hy3).

    output  ["<think>" reasoning "</think>"] content calls
    calls   "<tool_calls>\n" (call "\n")* "</tool_calls>"
    call    "<tool_call>" name "<tool_sep>\n" (key "\n" value "\n")* "</tool_call>"

Keys and values are those of GLM 4.6. This is the preview; Hy3 itself writes all tags with a suffix, such as
`<arg_key:opensource>`. The prompt ends with `<think>` or, without thinking, `<think></think>`.
Sources: the chat template of tencent/Hy3, SGLang's parser `hunyuan`.
"""

import re
from typing import Final

from msgspec.structs import replace

from headrace.formats.format import (
    ANY_TEXT,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
    Transitions,
)
from headrace.formats.glm import GLM_4_6
from headrace.formats.transitions import (
    BETWEEN_ARGUMENTS,
    IN_ANSWER,
    IN_THINKING,
    THINK,
    after_space,
    each,
    first_of,
)

__all__ = ["FAMILY"]

_TAG: Final = re.compile(r"(</?\w+)>")


def _with_separator(transition: Transition) -> Transition:
    """Return a transition of GLM that also takes a name with `<tool_sep>` before the first key."""
    condition = transition.condition and (
        *transition.condition,
        *dict.fromkeys(
            (*sequence[: sequence.index("<arg_key>")], "<tool_sep>")
            for sequence in transition.condition
            if "<arg_key>" in sequence[2:]
        ),
    )
    otherwise = transition.otherwise and _with_separator(transition.otherwise)
    return replace(transition, condition=condition, otherwise=otherwise)


_KNOWN_NAME: Final = (Lookahead.KNOWN_NAME, "<tool_sep>")
_SWAPPED_NAME: Final = (Lookahead.KNOWN_NAME, "<tool_call>")
_BLOCK: Final = Transition(
    State.CALLS,
    (
        *after_space("<tool_call>", "</tool_calls>"),
        (Lookahead.SPACE, *_KNOWN_NAME),
        (Lookahead.SPACE, "<tool_sep>", *_SWAPPED_NAME),
    ),
)
_KNOWN_BLOCK: Final = Transition(State.CALLS, ((Lookahead.SPACE, "<tool_call>", Lookahead.KNOWN_NAME),))
_WELL_FORMED: Final[Transitions] = {
    **{key: _with_separator(transition) for key, transition in GLM_4_6.transitions.items()},
    **each(IN_THINKING, "<tool_calls>", _KNOWN_BLOCK),
    **each(IN_ANSWER, "<tool_calls>", _BLOCK),
    (State.CALLS, "</tool_calls>"): Transition(State.CALLS),
    (State.NAME, "<tool_sep>"): Transition(State.ARGUMENTS),
    (State.VALUE, "</tool_call>"): Transition(
        State.CALLS, after_space("<tool_call>", "</tool_calls>", Lookahead.END)
    ),
    # Missing and doubled tags.
    **each(IN_ANSWER, "<tool_calls><tool_calls>", _BLOCK),
    **each(BETWEEN_ARGUMENTS, "</tool_calls>", Transition(State.CALLS)),
    (State.ARGUMENTS, "<tool_sep>"): Transition(State.ARGUMENTS),
    (State.CALLS, ANY_TEXT): Transition(State.NAME, (_KNOWN_NAME,)),
}
_SWAPPED: Final[Transitions] = {
    **each(
        IN_ANSWER,
        "<tool_call>",
        Transition(State.CALLS, ((Lookahead.SPACE, "<tool_calls>", *_KNOWN_NAME),)),
    ),
    (State.CALLS, "<tool_sep>"): Transition(State.BEFORE_NAME, (_SWAPPED_NAME,)),
}
_TRANSITIONS: Final = first_of(
    {(State.NAME, "<tool_call>"): Transition(State.ARGUMENTS, after_space("<arg_key>"))},
    _WELL_FORMED,
    _SWAPPED,
)


def _suffixed(text: str) -> str:
    return _TAG.sub(r"\1:opensource>", text)


def _with_suffixes(transition: Transition) -> Transition:
    condition = transition.condition and tuple(
        tuple(_suffixed(item) if isinstance(item, str) else item for item in sequence)
        for sequence in transition.condition
    )
    otherwise = transition.otherwise and _with_suffixes(transition.otherwise)
    return replace(transition, condition=condition, otherwise=otherwise)


_SYNTAX: Final = Syntax(
    call="<tool_call>{name}<tool_sep>\n{arguments}</tool_call>\n",
    calls="<tool_calls>\n{calls}</tool_calls>",
    argument="<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n",
    value_end="</arg_value>",
)
_PREVIEW: Final = Format(
    name="hy3-preview",
    model_names=r"hy3-preview",
    thinking_tags=THINK,
    transitions=_TRANSITIONS,
    initial_state=State.THINKING,
    stop_tokens=("<｜hy_eos｜>",),
    syntax=_SYNTAX,
)
_HY3: Final = replace(
    _PREVIEW,
    name="hy3",
    model_names=r"hy3",
    thinking_tags=(_suffixed("<think>"), _suffixed("</think>")),
    transitions={
        (state, _suffixed(delimiter)): _with_suffixes(transition)
        for (state, delimiter), transition in _PREVIEW.transitions.items()
    },
    stop_tokens=("<｜hy_eos:opensource｜>",),
    syntax=Syntax(
        call=_suffixed(_SYNTAX.call),
        calls=_suffixed(_SYNTAX.calls),
        argument=_suffixed(_SYNTAX.argument),
        value_end=_suffixed(_SYNTAX.value_end),
    ),
)
FAMILY: Final = (_PREVIEW, _HY3)
