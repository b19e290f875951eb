r"""Qwen3, Hermes, Granite 4 and KAT-V1; Qwen3-Coder and Qwen3.5.

    Qwen3        ["<think>\n" reasoning "\n</think>\n\n"] content ("\n"? call)*
      call       "<tool_call>\n" {"name": …, "arguments": {…}} "\n</tool_call>"
    Qwen3-Coder  the same, with
      call       "<tool_call>\n<function=" name ">\n" argument* "</function>\n</tool_call>"
      argument   "<parameter=" key ">\n" value "\n</parameter>\n"

The prompt of Qwen3.5 and of the thinking models of 2507 ends with `<think>\n`. In Qwen3-Coder, the line
ends around a value are markup, and a value has no escapes, as in GLM.
Granite 4 does not think, and has another end token. The prompt of KAT-V1 ends with `<judge>\n`; its judgement
on whether to think is part of the reasoning:

    output  judgement "\n</judge>\n\n" ("<think_off>" | "<think_on>\n\n<think>\n" reasoning "\n</think>")
            "\n\n<answer>\n" content "\n</answer>"

Sources: the chat templates of Qwen/Qwen3-8B, Qwen/Qwen3-Coder-30B-A3B-Instruct, Qwen3.5 and
ibm-granite/granite-4.0-h-small; arXiv 2507.08297 for KAT-V1.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.call_objects import call_object_syntax, call_object_transitions
from headrace.formats.format import Encoding, Format, State, Transition, Transitions
from headrace.formats.parameters import ParameterTags, parameter_syntax, parameter_transitions
from headrace.formats.transitions import LINE_ENDS, THINK, answer_between

__all__ = ["FAMILY"]

_THINKING_ENDS: Final[Transitions] = {(State.REASONING, "\n</think>"): Transition(State.OPEN)}

_QWEN3: Final = Format(
    name="qwen3",
    aliases=("hermes",),
    model_names=r"qwen-?[23]|qwq|hermes",
    thinking_tags=THINK,
    transitions={
        **_THINKING_ENDS,
        **call_object_transitions("<tool_call>", "</tool_call>"),
    },
    stop_tokens=("<|im_end|>", "<|endoftext|>"),
    leading_text=LINE_ENDS,
    syntax=call_object_syntax("<tool_call>\n", "\n</tool_call>"),
)
_QWEN3_THINKING: Final = replace(
    _QWEN3,
    name="qwen3-thinking",
    aliases=(),
    model_names=r"qwen-?3.*-thinking",
    initial_state=State.THINKING,
)

_TAGS: Final = ParameterTags(
    before_block="\n\n",
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
    model_names=r"qwen-?3-coder",
    thinking_tags=None,
    transitions=parameter_transitions(_TAGS),
    leading_text={**LINE_ENDS, State.VALUE: "\n"},
    syntax=parameter_syntax(_TAGS, blocks=True),
)
_QWEN3_5: Final = replace(
    _QWEN3_CODER,
    name="qwen3.5",
    model_names=r"qwen-?3\.5",
    thinking_tags=THINK,
    transitions={**_THINKING_ENDS, **_QWEN3_CODER.transitions},
    initial_state=State.THINKING,
)
_GRANITE_4: Final = replace(
    _QWEN3,
    name="granite-4",
    aliases=(),
    model_names=r"granite-?4",
    signs=("<|start_of_role|>",),
    stop_tokens=("<|end_of_text|>",),
)
_KAT_V1: Final = replace(
    _QWEN3,
    name="kat-v1",
    aliases=(),
    model_names=r"kat-?v1",
    thinking_tags=("<judge>", "</judge>"),
    transitions={
        **_QWEN3.transitions,
        (State.REASONING, "\n</judge>"): Transition(State.OPEN),
        (State.OPEN, "<think_on>"): Transition(State.OPEN),
        (State.OPEN, "<think_off>"): Transition(State.OPEN),
        (State.OPEN, "<think>"): Transition(State.REASONING),
        **answer_between("<answer>", "</answer>", "<tool_call>"),
    },
    initial_state=State.THINKING,
    always_thinks=True,
)
FAMILY: Final = (_QWEN3_5, _QWEN3_CODER, _KAT_V1, _QWEN3_THINKING, _QWEN3, _GRANITE_4)
