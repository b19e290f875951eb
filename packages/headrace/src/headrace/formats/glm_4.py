r"""GLM-4-0414 and GLM-Z1.

    output  ["\n"] content | call ("<|assistant|>" call)*
    call    name "\n" {…}

There is no delimiter: the answer is a call if its first line is the name of a tool and a brace follows.
GLM-Z1 thinks first; its prompt ends with `<think>`. Source: modelscope/ms-swift, agent_template/glm4.py.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import ANY_TEXT, Condition, Format, Lookahead, State, Syntax, Transition
from headrace.formats.transitions import THINK, each

__all__ = ["FAMILY"]

_CALL: Final[Condition] = ((Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.LINE_END, Lookahead.SPACE, "{"),)

_GLM_4_0414: Final = Format(
    name="glm-4-0414",
    model_names=r"glm-?4-.*0414",
    signs=("<|observation|>",),
    thinking_tags=THINK,
    transitions={
        **each((State.START, State.OPEN, State.CALLS), ANY_TEXT, Transition(State.NAME, _CALL)),
        **each((State.OPEN, State.CONTENT, State.CALLS), "<|assistant|>", Transition(State.CALLS, _CALL)),
        (State.CONTENT, "\n<|assistant|>"): Transition(State.CALLS, _CALL),
        **each((State.CONTENT, State.CALLS), "<|assistant|><|assistant|>", Transition(State.CALLS, _CALL)),
        (State.NAME, "\n"): Transition(State.BEFORE_BODY),
    },
    stop_tokens=("<|user|>", "<|observation|>", "<|endoftext|>"),
    leading_text={State.START: "\n", State.THINKING: "\n", State.OPEN: "\n"},
    syntax=Syntax(call="{name}\n{arguments}", separator="<|assistant|>"),
)
_GLM_Z1: Final = replace(
    _GLM_4_0414,
    name="glm-z1",
    model_names=r"glm-?z1",
    initial_state=State.THINKING,
)
FAMILY: Final = (_GLM_Z1, _GLM_4_0414)
