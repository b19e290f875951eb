r"""GLM, from 4.5 on.

    4.5, 4.6  ["\n"] ["<think>" reasoning "</think>"] ["\n"] content ("\n"? call)*
    4.7, 5.x  reasoning "</think>" content call*                   the prompt opened the thinking
    call      "<tool_call>" name (key value)* "</tool_call>"
    key       "<arg_key>" text "</arg_key>"
    value     "<arg_value>" text "</arg_value>"

4.5 and 4.6 write a line end after the name and after each closing tag, 4.7 and later write none;
both are read from both. 4.5V and 4.6V put the gist of an answer into a box.

A value has no escape: `</arg_value>` may stand inside one, and is the same token as the one that
ends it. So the tags that end a value count only where the grammar can go on after them, and
`<tool_call>` counts only where a call follows.
Sources: the chat templates of zai-org/GLM-4.6, GLM-4.7 and GLM-5.3.
"""

from typing import Final

from headrace.formats.format import ANY_TEXT, Format, Guard, Look, Mode, Step
from headrace.formats.rows import BETWEEN_ARGUMENTS, IN_THINKING, THINK, Rows, after_space, each

__all__ = ["GLM_4_6", "GLM_4_6V", "GLM_4_7"]

_KNOWN_CALL: Final[Guard] = (
    (Look.SPACE, Look.KNOWN_NAME, Look.LINE_END),
    (Look.SPACE, Look.KNOWN_NAME, Look.SPACE, "<arg_key>"),
    (Look.SPACE, Look.KNOWN_NAME, Look.SPACE, "</tool_call>"),
    (Look.SPACE, Look.KNOWN_NAME, Look.SPACE, Look.END),
)
# A tool that was not offered is recognised by the rest of the call …
_ANY_CALL: Final[Guard] = (*_KNOWN_CALL, (Look.SPACE, Look.ANY_NAME, Look.SPACE, "<arg_key>"))
# … which without arguments looks like a mention in prose, unless it stands alone.
_LONE_CALL: Final[Guard] = (
    *_ANY_CALL,
    (Look.ANY_NAME, Look.SPACE, "</tool_call>", Look.SPACE, "<tool_call>"),
    (Look.ANY_NAME, Look.SPACE, "</tool_call>", Look.SPACE, Look.END),
)

_STEPS: Final[Rows] = {
    **THINK,
    **each(IN_THINKING, "<tool_call>", Step(Mode.BEFORE_NAME, _KNOWN_CALL)),
    **each((Mode.START, Mode.OPEN, Mode.CALLS), "<tool_call>", Step(Mode.BEFORE_NAME, _LONE_CALL)),
    (Mode.CONTENT, "\n<tool_call>"): Step(Mode.BEFORE_NAME, _LONE_CALL),
    (Mode.CONTENT, "<tool_call>"): Step(Mode.BEFORE_NAME, _ANY_CALL),
    (Mode.NAME, "\n"): Step(Mode.ARGUMENTS),
    (Mode.NAME, "<arg_key>"): Step(Mode.KEY),
    (Mode.NAME, "</tool_call>"): Step(Mode.CALLS),
    **each(BETWEEN_ARGUMENTS, "<arg_key>", Step(Mode.KEY)),
    **each(BETWEEN_ARGUMENTS, "</tool_call>", Step(Mode.CALLS)),
    (Mode.KEY, "</arg_key>"): Step(Mode.BEFORE_VALUE),
    (Mode.BEFORE_VALUE, "<arg_value>"): Step(Mode.VALUE),
    (Mode.VALUE, "</arg_value>"): Step(
        Mode.ARGUMENTS, after_space("<arg_key>", "</tool_call>", "<tool_call>", Look.END)
    ),
    # What follows is for tags that are missing, doubled or the wrong one.
    **each(BETWEEN_ARGUMENTS, "<tool_call>", Step(Mode.BEFORE_NAME, _KNOWN_CALL)),
    (Mode.ARGUMENTS, ANY_TEXT): Step(Mode.KEY, ((Look.ANY_NAME, "</arg_key>"),)),
    (Mode.KEY, "<arg_key>"): Step(Mode.KEY),
    (Mode.KEY, "<arg_value>"): Step(Mode.VALUE),
    (Mode.KEY, "</tool_call>"): Step(Mode.CALLS),
    (Mode.BEFORE_VALUE, "</arg_key>"): Step(Mode.BEFORE_VALUE),
    (Mode.VALUE, "</arg_key>"): Step(Mode.ARGUMENTS, after_space("<arg_key>", "</tool_call>")),
    (Mode.VALUE, "</tool_call>"): Step(Mode.CALLS, after_space("<tool_call>", Look.END)),
    (Mode.CALLS, "</tool_call>"): Step(Mode.CALLS),
}
_STOPS: Final = ("<|user|>", "<|observation|>", "<|endoftext|>")

GLM_4_6: Final = Format(name="glm-4.6", steps=_STEPS, stops=_STOPS, leads={Mode.START: "\n", Mode.OPEN: "\n"})
GLM_4_6V: Final = Format(
    name="glm-4.6v",
    steps={
        **_STEPS,
        **each((Mode.START, Mode.OPEN, Mode.CONTENT), "<|begin_of_box|>", Step(Mode.CONTENT)),
        (Mode.CONTENT, "<|end_of_box|>"): Step(Mode.CONTENT),
    },
    stops=_STOPS,
    leads=GLM_4_6.leads,
)
GLM_4_7: Final = Format(name="glm-4.7", steps=_STEPS, thinking_starts=Mode.THINKING, stops=_STOPS)
