r"""Seed-OSS.

    output    ["<seed:think>" reasoning "</seed:think>\n"] content ("\n\n" call ("\n" call)*)
    call      "<seed:tool_call>\n<function=" name ">\n" argument* "</function>\n</seed:tool_call>"
    argument  "<parameter=" key ">" value "</parameter>\n"

With a budget, the thinking contains remarks between `<seed:cot_budget_reflect>` tags, the first of which is
in the prompt if the budget is 0. In the history, values are written as in Python: `True`, `None`, `{'a': 1}`.
Source: the chat template of ByteDance-Seed/Seed-OSS-36B-Instruct.
"""

from typing import Final

from headrace.formats.format import Encoding, Format, State, Transition
from headrace.formats.parameters import ParameterTags, parameter_syntax, parameter_transitions
from headrace.formats.transitions import IN_THINKING, each

__all__ = ["FAMILY"]

_TAGS: Final = ParameterTags(
    before_block="\n\n",
    block="<seed:tool_call>",
    block_end="</seed:tool_call>",
    call="<function=",
    name_end=">",
    call_end="</function>",
    parameter="<parameter=",
    key_ends={">": Encoding.BY_SCHEMA},
    parameter_end="</parameter>",
)

_SEED_OSS: Final = Format(
    name="seed-oss",
    model_names=r"seed-?oss",
    thinking_tags=("<seed:think>", "</seed:think>"),
    transitions={
        **each(IN_THINKING, "<seed:cot_budget_reflect>", Transition(State.REASONING)),
        **each(IN_THINKING, "</seed:cot_budget_reflect>", Transition(State.REASONING)),
        **parameter_transitions(_TAGS),
    },
    stop_tokens=("<seed:eos>",),
    leading_text={State.OPEN: "\n"},
    syntax=parameter_syntax(_TAGS, blocks=True),
)
FAMILY: Final = (_SEED_OSS,)
