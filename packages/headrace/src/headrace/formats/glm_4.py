r"""GLM-4-0414 and GLM-Z1.

    output  ["\n"] content | call ("<|assistant|>" call)*
    call    name "\n" {…}

There is no marker: the answer is a call if its first line is the name of a tool and a brace follows.
GLM-Z1 thinks first; its prompt writes `<think>`. Source: modelscope/ms-swift, agent_template/glm4.py.
"""

from typing import Final

from headrace.formats.format import ANY_TEXT, Format, Guard, Look, Mode, Step
from headrace.formats.rows import THINK, Rows, each

__all__ = ["GLM_4_0414", "GLM_Z1"]

_CALL: Final[Guard] = ((Look.SPACE, Look.KNOWN_NAME, Look.LINE_END, Look.SPACE, "{"),)

_STEPS: Final[Rows] = {
    **THINK,
    **each((Mode.START, Mode.OPEN, Mode.CALLS), ANY_TEXT, Step(Mode.NAME, _CALL)),
    **each((Mode.OPEN, Mode.CONTENT, Mode.CALLS), "<|assistant|>", Step(Mode.CALLS, _CALL)),
    (Mode.CONTENT, "\n<|assistant|>"): Step(Mode.CALLS, _CALL),
    (Mode.NAME, "\n"): Step(Mode.BEFORE_BODY),
}
_STOPS: Final = ("<|user|>", "<|observation|>", "<|endoftext|>")
_LEADS: Final = {Mode.START: "\n", Mode.THINKING: "\n", Mode.OPEN: "\n"}

GLM_4_0414: Final = Format(name="glm-4-0414", steps=_STEPS, stops=_STOPS, leads=_LEADS)
GLM_Z1: Final = Format(name="glm-z1", steps=_STEPS, thinking_starts=Mode.THINKING, stops=_STOPS, leads=_LEADS)
