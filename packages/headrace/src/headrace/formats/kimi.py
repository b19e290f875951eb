r"""Kimi K2.

    calls  "<|tool_calls_section_begin|>" call* "<|tool_calls_section_end|>"
    call   "<|tool_call_begin|>" id "<|tool_call_argument_begin|>" {…} "<|tool_call_end|>"
    id     "functions." name ":" number

The section's tags are sometimes missing, and the thinking may contain calls.
Source: moonshotai/Kimi-K2-Instruct, docs/tool_call_guidance.md.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import Condition, Fingerprint, Format, Lookahead, State, Syntax, Transition
from headrace.formats.transitions import IN_ANSWER, IN_THINKING, THINK, after_space, each, json_repairs

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
    fingerprint=Fingerprint(template=(_SECTION,), model_name=r"kimi-?k2"),
    thinking_tags=THINK,
    transitions={
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
    stop_tokens=("<|im_end|>", "[EOS]"),
    name_pattern=r"(?:functions\.)?(?P<name>.+?)(?::\d+)?",
)
_KIMI_K2_THINKING: Final = replace(
    _KIMI_K2,
    name="kimi-k2-thinking",
    fingerprint=Fingerprint(template=(_SECTION, "<think>"), model_name=r"kimi-?k2-thinking"),
    initial_state=State.THINKING,
    syntax=Syntax(),
)
FAMILY: Final = (_KIMI_K2_THINKING, _KIMI_K2)
