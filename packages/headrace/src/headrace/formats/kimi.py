r"""Kimi K2.

    calls  "<|tool_calls_section_begin|>" call* "<|tool_calls_section_end|>"
    call   "<|tool_call_begin|>" id "<|tool_call_argument_begin|>" {…} "<|tool_call_end|>"
    id     "functions." name ":" number

The section's tags are missing now and then, and calls come within the thinking.
Source: moonshotai/Kimi-K2-Instruct, docs/tool_call_guidance.md.
"""

from typing import Final

from headrace.formats.format import Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import IN_ANSWER, IN_THINKING, THINK, Transitions, after_space, each

__all__ = ["KIMI_K2", "KIMI_K2_THINKING"]

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
_KNOWN_CALL: Final[Condition] = tuple((Lookahead.SPACE, _CALL, *path) for path in _KNOWN_ID)

_TRANSITIONS: Final[Transitions] = {
    **THINK,
    **each(IN_THINKING, _SECTION, Transition(State.CALLS, _KNOWN_CALL)),
    **each(IN_ANSWER, _SECTION, Transition(State.CALLS, after_space(_CALL, _SECTION_END))),
    **each(IN_THINKING, _CALL, Transition(State.BEFORE_NAME, _KNOWN_ID)),
    **each(IN_ANSWER, _CALL, Transition(State.BEFORE_NAME, _ID)),
    (State.NAME, _ARGUMENTS): Transition(State.BEFORE_BODY),
    (State.CALLS, _CALL_END): Transition(State.CALLS),
    (State.CALLS, _SECTION_END): Transition(State.CALLS),
    # The JSON is missing or broken.
    **each((State.NAME, State.BEFORE_BODY), _CALL_END, Transition(State.CALLS)),
    (State.BODY, _CALL_END): Transition(
        State.CALLS, ((Lookahead.NO_STRING,), *after_space(_CALL, _SECTION_END, Lookahead.END))
    ),
}
_STOPS: Final = ("<|im_end|>", "[EOS]")
_NAME: Final = r"(?:functions\.)?(?P<name>.+?)(?::\d+)?"

KIMI_K2: Final = Format(name="kimi-k2", transitions=_TRANSITIONS, stops=_STOPS, name_pattern=_NAME)
KIMI_K2_THINKING: Final = Format(
    name="kimi-k2-thinking",
    transitions=_TRANSITIONS,
    initial_state=State.THINKING,
    stops=_STOPS,
    name_pattern=_NAME,
)
