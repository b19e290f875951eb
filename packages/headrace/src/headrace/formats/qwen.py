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

from headrace.formats.call_objects import ANY_CALL_OBJECT, KNOWN_CALL_OBJECT
from headrace.formats.format import Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import (
    BETWEEN_ARGUMENTS,
    IN_ANSWER,
    IN_THINKING,
    THINK,
    Transitions,
    after_space,
    each,
)

__all__ = ["QWEN3", "QWEN3_5", "QWEN3_CODER", "QWEN3_THINKING"]

_STOPS: Final = ("<|im_end|>", "<|endoftext|>")
_LEADS: Final = {State.THINKING: "\n", State.REASONING: "\n", State.OPEN: "\n\n"}
_THINK: Final[Transitions] = {**THINK, (State.REASONING, "\n</think>"): Transition(State.OPEN)}

_JSON: Final[Transitions] = {
    **_THINK,
    **each(IN_THINKING, "<tool_call>", Transition(State.BEFORE_CALL_OBJECT, KNOWN_CALL_OBJECT)),
    **each(IN_ANSWER, "<tool_call>", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
    (State.CONTENT, "\n<tool_call>"): Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT),
    (State.CALLS, "</tool_call>"): Transition(State.CALLS),
    # The JSON is broken, or has a brace too many.
    (State.CALL_OBJECT, "</tool_call>"): Transition(
        State.CALLS, ((Lookahead.NO_STRING,), *after_space("<tool_call>", Lookahead.END))
    ),
    (State.CALLS, "}"): Transition(State.CALLS, after_space("</tool_call>")),
}

QWEN3: Final = Format(name="qwen3", transitions=_JSON, stops=_STOPS, leads=_LEADS)
QWEN3_THINKING: Final = Format(
    name="qwen3-thinking", transitions=_JSON, initial_state=State.THINKING, stops=_STOPS, leads=_LEADS
)

_KNOWN_FUNCTION: Final[Condition] = ((Lookahead.SPACE, "<function=", Lookahead.KNOWN_NAME, ">"),)
_FUNCTION: Final[Condition] = ((Lookahead.SPACE, "<function=", Lookahead.ANY_NAME, ">"),)
_VALUE_ENDS: Final = Transition(
    State.ARGUMENTS, after_space("<parameter=", "</function>", "</tool_call>", Lookahead.END)
)
_FUNCTION_ENDS: Final = Transition(State.CALLS, after_space("</tool_call>", Lookahead.END))
_BARE_FUNCTION: Final = Transition(State.NAME, ((Lookahead.KNOWN_NAME, ">"),))

_XML: Final[Transitions] = {
    **_THINK,
    **each(IN_THINKING, "<tool_call>", Transition(State.CALLS, _KNOWN_FUNCTION)),
    **each(IN_ANSWER, "<tool_call>", Transition(State.CALLS, _FUNCTION)),
    (State.CONTENT, "\n<tool_call>"): Transition(State.CALLS, _FUNCTION),
    (State.CALLS, "</tool_call>"): Transition(State.CALLS),
    (State.NAME, ">"): Transition(State.ARGUMENTS),
    **each(BETWEEN_ARGUMENTS, "<parameter=", Transition(State.KEY)),
    **each(BETWEEN_ARGUMENTS, "</function>", Transition(State.CALLS)),
    (State.KEY, ">"): Transition(State.VALUE),
    (State.VALUE, "</parameter>"): _VALUE_ENDS,
    (State.VALUE, "\n</parameter>"): _VALUE_ENDS,
    # What follows is for tags that are missing; the outer ones are, now and then.
    **each(IN_ANSWER, "<function=", _BARE_FUNCTION),
    (State.CONTENT, "\n<function="): _BARE_FUNCTION,
    (State.CALLS, "<function="): Transition(State.NAME, ((Lookahead.ANY_NAME, ">"),)),
    **each(BETWEEN_ARGUMENTS, "</tool_call>", Transition(State.CALLS)),
    (State.VALUE, "</function>"): _FUNCTION_ENDS,
    (State.VALUE, "\n</function>"): _FUNCTION_ENDS,
}
_XML_LEADS: Final = {**_LEADS, State.VALUE: "\n"}

QWEN3_CODER: Final = Format(name="qwen3-coder", transitions=_XML, stops=_STOPS, leads=_XML_LEADS)
QWEN3_5: Final = Format(
    name="qwen3.5", transitions=_XML, initial_state=State.THINKING, stops=_STOPS, leads=_XML_LEADS
)
