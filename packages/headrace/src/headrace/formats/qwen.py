r"""Qwen3, and Hermes before it; Qwen3-Coder and Qwen3.5.

    Qwen3        ["<think>\n" reasoning "\n</think>\n\n"] content ("\n"? call)*
      call       "<tool_call>\n" {"name": …, "arguments": {…}} "\n</tool_call>"
    Qwen3-Coder  the same, with
      call       "<tool_call>\n<function=" name ">\n" argument* "</function>\n</tool_call>"
      argument   "<parameter=" key ">\n" value "\n</parameter>\n"

Of Qwen3.5 and the thinking models of 2507, the prompt writes `<think>\n`. A value of Qwen3-Coder
stands between two line ends that belong to the protocol, and has no escape, as in GLM.
Sources: the chat templates of Qwen/Qwen3-8B, Qwen/Qwen3-Coder-30B-A3B-Instruct and Qwen3.5.
"""

from typing import Final

from headrace.formats.envelopes import ANY_ENVELOPE, KNOWN_ENVELOPE
from headrace.formats.format import Format, Guard, Look, Mode, Step
from headrace.formats.rows import BETWEEN_ARGUMENTS, IN_ANSWER, IN_THINKING, THINK, Rows, after_space, each

__all__ = ["QWEN3", "QWEN3_5", "QWEN3_CODER", "QWEN3_THINKING"]

_STOPS: Final = ("<|im_end|>", "<|endoftext|>")
_LEADS: Final = {Mode.THINKING: "\n", Mode.REASONING: "\n", Mode.OPEN: "\n\n"}
_THINK: Final[Rows] = {**THINK, (Mode.REASONING, "\n</think>"): Step(Mode.OPEN)}

_JSON: Final[Rows] = {
    **_THINK,
    **each(IN_THINKING, "<tool_call>", Step(Mode.BEFORE_ENVELOPE, KNOWN_ENVELOPE)),
    **each(IN_ANSWER, "<tool_call>", Step(Mode.BEFORE_ENVELOPE, ANY_ENVELOPE)),
    (Mode.CONTENT, "\n<tool_call>"): Step(Mode.BEFORE_ENVELOPE, ANY_ENVELOPE),
    (Mode.CALLS, "</tool_call>"): Step(Mode.CALLS),
    # The JSON is broken, or has a brace too many.
    (Mode.ENVELOPE, "</tool_call>"): Step(
        Mode.CALLS, ((Look.NO_STRING,), *after_space("<tool_call>", Look.END))
    ),
    (Mode.CALLS, "}"): Step(Mode.CALLS, after_space("</tool_call>")),
}

QWEN3: Final = Format(name="qwen3", steps=_JSON, stops=_STOPS, leads=_LEADS)
QWEN3_THINKING: Final = Format(
    name="qwen3-thinking", steps=_JSON, thinking_starts=Mode.THINKING, stops=_STOPS, leads=_LEADS
)

_KNOWN_FUNCTION: Final[Guard] = ((Look.SPACE, "<function=", Look.KNOWN_NAME, ">"),)
_FUNCTION: Final[Guard] = ((Look.SPACE, "<function=", Look.ANY_NAME, ">"),)
_VALUE_ENDS: Final = Step(Mode.ARGUMENTS, after_space("<parameter=", "</function>", "</tool_call>", Look.END))
_FUNCTION_ENDS: Final = Step(Mode.CALLS, after_space("</tool_call>", Look.END))
_BARE_FUNCTION: Final = Step(Mode.NAME, ((Look.KNOWN_NAME, ">"),))

_XML: Final[Rows] = {
    **_THINK,
    **each(IN_THINKING, "<tool_call>", Step(Mode.CALLS, _KNOWN_FUNCTION)),
    **each(IN_ANSWER, "<tool_call>", Step(Mode.CALLS, _FUNCTION)),
    (Mode.CONTENT, "\n<tool_call>"): Step(Mode.CALLS, _FUNCTION),
    (Mode.CALLS, "</tool_call>"): Step(Mode.CALLS),
    (Mode.NAME, ">"): Step(Mode.ARGUMENTS),
    **each(BETWEEN_ARGUMENTS, "<parameter=", Step(Mode.KEY)),
    **each(BETWEEN_ARGUMENTS, "</function>", Step(Mode.CALLS)),
    (Mode.KEY, ">"): Step(Mode.VALUE),
    (Mode.VALUE, "</parameter>"): _VALUE_ENDS,
    (Mode.VALUE, "\n</parameter>"): _VALUE_ENDS,
    # What follows is for tags that are missing; the outer ones are, now and then.
    **each(IN_ANSWER, "<function=", _BARE_FUNCTION),
    (Mode.CONTENT, "\n<function="): _BARE_FUNCTION,
    (Mode.CALLS, "<function="): Step(Mode.NAME, ((Look.ANY_NAME, ">"),)),
    **each(BETWEEN_ARGUMENTS, "</tool_call>", Step(Mode.CALLS)),
    (Mode.VALUE, "</function>"): _FUNCTION_ENDS,
    (Mode.VALUE, "\n</function>"): _FUNCTION_ENDS,
}
_XML_LEADS: Final = {**_LEADS, Mode.VALUE: "\n"}

QWEN3_CODER: Final = Format(name="qwen3-coder", steps=_XML, stops=_STOPS, leads=_XML_LEADS)
QWEN3_5: Final = Format(
    name="qwen3.5", steps=_XML, thinking_starts=Mode.THINKING, stops=_STOPS, leads=_XML_LEADS
)
