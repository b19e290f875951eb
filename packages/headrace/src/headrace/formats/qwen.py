r"""Qwen3 and Hermes; Qwen3-Coder and Qwen3.5.

    Qwen3        ["<think>\n" reasoning "\n</think>\n\n"] content ("\n"? call)*
      call       "<tool_call>\n" {"name": …, "arguments": {…}} "\n</tool_call>"
    Qwen3-Coder  the same, with
      call       "<tool_call>\n<function=" name ">\n" argument* "</function>\n</tool_call>"
      argument   "<parameter=" key ">\n" value "\n</parameter>\n"

The prompt of Qwen3.5 and of the thinking models of 2507 ends with `<think>\n`. In Qwen3-Coder, the line
ends around a value are markup, and a value has no escapes, as in GLM.
Sources: the chat templates of Qwen/Qwen3-8B, Qwen/Qwen3-Coder-30B-A3B-Instruct and Qwen3.5.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import (
    ANY_TEXT,
    Encoding,
    Fingerprint,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
    Transitions,
)
from headrace.formats.parameters import ParameterTags, parameter_transitions
from headrace.formats.transitions import (
    ANY_CALL_OBJECT,
    IN_ANSWER,
    IN_THINKING,
    KNOWN_CALL_OBJECT,
    LINE_ENDS,
    THINK,
    after_space,
    each,
)

__all__ = ["FAMILY"]

_THINKING_ENDS: Final[Transitions] = {(State.REASONING, "\n</think>"): Transition(State.OPEN)}

_QWEN3: Final = Format(
    name="qwen3",
    aliases=("hermes",),
    fingerprint=Fingerprint(template=("<tool_call>", "<|im_start|>"), model_name=r"qwen-?[23]|qwq|hermes"),
    thinking_tags=THINK,
    transitions={
        **_THINKING_ENDS,
        **each(IN_THINKING, "<tool_call>", Transition(State.BEFORE_CALL_OBJECT, KNOWN_CALL_OBJECT)),
        **each(IN_ANSWER, "<tool_call>", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        (State.CONTENT, "\n<tool_call>"): Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT),
        (State.CALLS, "</tool_call>"): Transition(State.CALLS),
        # Broken JSON, or an extra brace.
        (State.CALL_OBJECT, "</tool_call>"): Transition(
            State.CALLS, ((Lookahead.OUTSIDE_STRING,), *after_space("<tool_call>", Lookahead.END))
        ),
        (State.CALLS, "}"): Transition(State.CALLS, after_space("</tool_call>")),
        # Several calls between two tags, or a tag too few or too many.
        **each(IN_ANSWER, "<tool_call>\n[", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        **each(IN_ANSWER, "<tool_call>[", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        **each(IN_ANSWER, "<tool_call><tool_call>", Transition(State.BEFORE_CALL_OBJECT, ANY_CALL_OBJECT)),
        (State.CALLS, ","): Transition(State.BEFORE_CALL_OBJECT, KNOWN_CALL_OBJECT),
        (State.CALLS, "]"): Transition(State.CALLS, after_space("</tool_call>")),
        (State.CALLS, ANY_TEXT): Transition(State.CALL_OBJECT, KNOWN_CALL_OBJECT),
    },
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
    leading_text=LINE_ENDS,
    syntax=Syntax(
        call=r'<tool_call> "\n{\"name\": \"" {name} "\", \"arguments\": " {arguments} "}\n" </tool_call>'
    ),
)
_QWEN3_THINKING: Final = replace(
    _QWEN3,
    name="qwen3-thinking",
    aliases=(),
    fingerprint=Fingerprint(
        template=("<tool_call>", "<|im_start|>assistant\\n<think>"), model_name=r"qwen-?3.*-thinking"
    ),
    initial_state=State.THINKING,
)

_TAGS: Final = ParameterTags(
    before_block="\n",
    block="<tool_call>",
    block_end="</tool_call>",
    call="<function=",
    name_end=">",
    call_end="</function>",
    parameter="<parameter=",
    key_ends={">": Encoding.BY_SCHEMA},
    parameter_end="</parameter>",
    value_lines=True,
)

_QWEN3_CODER: Final = replace(
    _QWEN3,
    name="qwen3-coder",
    aliases=(),
    fingerprint=Fingerprint(template=("<function=",), model_name=r"qwen-?3-coder"),
    transitions={
        **_THINKING_ENDS,
        **parameter_transitions(_TAGS),
    },
    leading_text={**LINE_ENDS, State.VALUE: "\n"},
    syntax=None,
)
_QWEN3_5: Final = replace(
    _QWEN3_CODER,
    name="qwen3.5",
    fingerprint=Fingerprint(template=("<function=", "<think>"), model_name=r"qwen-?3\.5"),
    initial_state=State.THINKING,
    syntax=Syntax(),
)
FAMILY: Final = (_QWEN3_5, _QWEN3_CODER, _QWEN3_THINKING, _QWEN3)
