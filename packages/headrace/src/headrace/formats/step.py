r"""Step 3.

    calls     "<｜tool_calls_begin｜>\n" (call "\n")* "<｜tool_calls_end｜>"
    call      "<｜tool_call_begin｜>function<｜tool_sep｜>" invoke "<｜tool_call_end｜>"
    invoke    '<steptml:invoke name="' name '">\n' argument* "</steptml:invoke>"
    argument  '<steptml:parameter name="' key '">' value "</steptml:parameter>\n"

The prompt ends with `<think>\n`. Step 3.5 writes the markup of Qwen3.5.
Source: SGLang's parser `step3`.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import Encoding, Format, State, Transition
from headrace.formats.parameters import ParameterTags, parameter_syntax, parameter_transitions
from headrace.formats.transitions import IN_ANSWER, LINE_ENDS, THINK, after_space, each, first_of

__all__ = ["FAMILY"]

_TAGS: Final = ParameterTags(
    before_block="\n",
    block="<｜tool_call_begin｜>function<｜tool_sep｜>",
    block_end="<｜tool_call_end｜>",
    call='<steptml:invoke name="',
    name_end='">',
    call_end="</steptml:invoke>",
    parameter='<steptml:parameter name="',
    key_ends={'">': Encoding.BY_SCHEMA},
    parameter_end="</steptml:parameter>",
)
_CALLS, _CALLS_END = "<｜tool_calls_begin｜>", "<｜tool_calls_end｜>"
_CALLS_FOLLOW: Final = Transition(State.CALLS, after_space(_TAGS.block, _TAGS.call, _CALLS, _CALLS_END))

_STEP_3: Final = Format(
    name="step-3",
    model_names=r"step-?3$",
    thinking_tags=THINK,
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **first_of(
            parameter_transitions(_TAGS),
            each(IN_ANSWER, _TAGS.block, Transition(State.CALLS, after_space(_CALLS))),
        ),
        **each(IN_ANSWER, _CALLS, _CALLS_FOLLOW),
        (State.CONTENT, f"\n{_CALLS}"): _CALLS_FOLLOW,
        (State.CALLS, _CALLS_END): Transition(State.CALLS),
    },
    initial_state=State.THINKING,
    always_thinks=True,
    stop_tokens=("<|EOT|>",),
    leading_text=LINE_ENDS,
    syntax=replace(parameter_syntax(_TAGS), calls=f"{_CALLS}\n{{calls}}{_CALLS_END}"),
)
FAMILY: Final = (_STEP_3,)
