r"""MiniMax M2.

    output    reasoning "\n</think>\n\n" content ("\n"? calls)?     the prompt ends with `<think>\n`
    calls     "<minimax:tool_call>\n" call* "</minimax:tool_call>"
    call      '<invoke name="' name '">\n' argument* "</invoke>\n"
    argument  '<parameter name="' key '">' value "</parameter>\n"

Source: the chat template of MiniMaxAI/MiniMax-M2.
"""

from typing import Final

from headrace.formats.format import Encoding, Fingerprint, Format, State, Syntax, Transition
from headrace.formats.parameters import ParameterTags, parameter_transitions
from headrace.formats.transitions import LINE_ENDS, THINK

__all__ = ["FAMILY"]

_TAGS: Final = ParameterTags(
    before_block="\n",
    block="<minimax:tool_call>",
    block_end="</minimax:tool_call>",
    call='<invoke name="',
    name_end='">',
    call_end="</invoke>",
    parameter='<parameter name="',
    key_ends={'">': Encoding.BY_SCHEMA},
    parameter_end="</parameter>",
)

_MINIMAX_M2: Final = Format(
    name="minimax-m2",
    fingerprint=Fingerprint(template=(_TAGS.block,), model_name=r"minimax-?m2"),
    thinking_tags=THINK,
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **parameter_transitions(_TAGS),
    },
    initial_state=State.THINKING,
    stop_tokens=("[e~[",),
    leading_text=LINE_ENDS,
    syntax=Syntax(),
)
FAMILY: Final = (_MINIMAX_M2,)
