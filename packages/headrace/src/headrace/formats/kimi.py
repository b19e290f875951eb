r"""Kimi K2.

    calls  "<|tool_calls_section_begin|>" call* "<|tool_calls_section_end|>"
    call   "<|tool_call_begin|>" id "<|tool_call_argument_begin|>" {…} "<|tool_call_end|>"
    id     "functions." name ":" number

The section's tags are missing now and then, and calls come within the thinking.
Source: moonshotai/Kimi-K2-Instruct, docs/tool_call_guidance.md.
"""

from typing import Final

from headrace.formats.format import Format, Guard, Look, Mode, Step
from headrace.formats.rows import IN_ANSWER, IN_THINKING, THINK, Rows, after_space, each

__all__ = ["KIMI_K2", "KIMI_K2_THINKING"]

_SECTION, _SECTION_END = "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"
_CALL, _CALL_END = "<|tool_call_begin|>", "<|tool_call_end|>"
_ARGUMENTS = "<|tool_call_argument_begin|>"

_KNOWN_ID: Final[Guard] = (
    (Look.SPACE, "functions.", Look.KNOWN_NAME, ":"),
    (Look.SPACE, Look.KNOWN_NAME, ":"),
    (Look.SPACE, Look.KNOWN_NAME, Look.SPACE, _ARGUMENTS),
)
_ID: Final[Guard] = (
    *_KNOWN_ID,
    (Look.SPACE, Look.ANY_NAME, ":"),
    (Look.SPACE, Look.ANY_NAME, Look.SPACE, _ARGUMENTS),
)
_KNOWN_CALL: Final[Guard] = tuple((Look.SPACE, _CALL, *path) for path in _KNOWN_ID)

_STEPS: Final[Rows] = {
    **THINK,
    **each(IN_THINKING, _SECTION, Step(Mode.CALLS, _KNOWN_CALL)),
    **each(IN_ANSWER, _SECTION, Step(Mode.CALLS, after_space(_CALL, _SECTION_END))),
    **each(IN_THINKING, _CALL, Step(Mode.BEFORE_NAME, _KNOWN_ID)),
    **each(IN_ANSWER, _CALL, Step(Mode.BEFORE_NAME, _ID)),
    (Mode.NAME, _ARGUMENTS): Step(Mode.BEFORE_BODY),
    (Mode.CALLS, _CALL_END): Step(Mode.CALLS),
    (Mode.CALLS, _SECTION_END): Step(Mode.CALLS),
    # The JSON is missing or broken.
    **each((Mode.NAME, Mode.BEFORE_BODY), _CALL_END, Step(Mode.CALLS)),
    (Mode.BODY, _CALL_END): Step(
        Mode.CALLS, ((Look.NO_STRING,), *after_space(_CALL, _SECTION_END, Look.END))
    ),
}
_STOPS: Final = ("<|im_end|>", "[EOS]")
_NAME: Final = r"(?:functions\.)?(?P<name>.+?)(?::\d+)?"

KIMI_K2: Final = Format(name="kimi-k2", steps=_STEPS, stops=_STOPS, name_pattern=_NAME)
KIMI_K2_THINKING: Final = Format(
    name="kimi-k2-thinking",
    steps=_STEPS,
    thinking_starts=Mode.THINKING,
    stops=_STOPS,
    name_pattern=_NAME,
)
