r"""GLM-4-0414 and GLM-Z1.

    output  ["\n"] content | call ("<|assistant|>" call)*
    call    name "\n" {…}

There is no delimiter: the answer is a call if its first line is the name of a tool and a brace follows.
GLM-Z1 thinks first; its prompt writes `<think>`. Source: modelscope/ms-swift, agent_template/glm4.py.
"""

from typing import Final

from headrace.formats.format import ANY_TEXT, Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import THINK, Transitions, each

__all__ = ["GLM_4_0414", "GLM_Z1"]

_CALL: Final[Condition] = ((Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.LINE_END, Lookahead.SPACE, "{"),)

_TRANSITIONS: Final[Transitions] = {
    **THINK,
    **each((State.START, State.OPEN, State.CALLS), ANY_TEXT, Transition(State.NAME, _CALL)),
    **each((State.OPEN, State.CONTENT, State.CALLS), "<|assistant|>", Transition(State.CALLS, _CALL)),
    (State.CONTENT, "\n<|assistant|>"): Transition(State.CALLS, _CALL),
    (State.NAME, "\n"): Transition(State.BEFORE_BODY),
}
_STOPS: Final = ("<|user|>", "<|observation|>", "<|endoftext|>")
_LEADS: Final = {State.START: "\n", State.THINKING: "\n", State.OPEN: "\n"}

GLM_4_0414: Final = Format(name="glm-4-0414", transitions=_TRANSITIONS, stops=_STOPS, leads=_LEADS)
GLM_Z1: Final = Format(
    name="glm-z1", transitions=_TRANSITIONS, initial_state=State.THINKING, stops=_STOPS, leads=_LEADS
)
