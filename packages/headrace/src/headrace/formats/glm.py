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

from headrace.formats.format import ANY_TEXT, Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import BETWEEN_ARGUMENTS, IN_THINKING, THINK, Transitions, after_space, each

__all__ = ["GLM_4_6", "GLM_4_6V", "GLM_4_7"]

_KNOWN_CALL: Final[Condition] = (
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.LINE_END),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "<arg_key>"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "</tool_call>"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, Lookahead.END),
)
# A tool that was not offered is recognised by the rest of the call …
_ANY_CALL: Final[Condition] = (
    *_KNOWN_CALL,
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, "<arg_key>"),
)
# … which without arguments looks like a mention in prose, unless it stands alone.
_LONE_CALL: Final[Condition] = (
    *_ANY_CALL,
    (Lookahead.ANY_NAME, Lookahead.SPACE, "</tool_call>", Lookahead.SPACE, "<tool_call>"),
    (Lookahead.ANY_NAME, Lookahead.SPACE, "</tool_call>", Lookahead.SPACE, Lookahead.END),
)

_TRANSITIONS: Final[Transitions] = {
    **THINK,
    **each(IN_THINKING, "<tool_call>", Transition(State.BEFORE_NAME, _KNOWN_CALL)),
    **each((State.START, State.OPEN, State.CALLS), "<tool_call>", Transition(State.BEFORE_NAME, _LONE_CALL)),
    (State.CONTENT, "\n<tool_call>"): Transition(State.BEFORE_NAME, _LONE_CALL),
    (State.CONTENT, "<tool_call>"): Transition(State.BEFORE_NAME, _ANY_CALL),
    (State.NAME, "\n"): Transition(State.ARGUMENTS),
    (State.NAME, "<arg_key>"): Transition(State.KEY),
    (State.NAME, "</tool_call>"): Transition(State.CALLS),
    **each(BETWEEN_ARGUMENTS, "<arg_key>", Transition(State.KEY)),
    **each(BETWEEN_ARGUMENTS, "</tool_call>", Transition(State.CALLS)),
    (State.KEY, "</arg_key>"): Transition(State.BEFORE_VALUE),
    (State.BEFORE_VALUE, "<arg_value>"): Transition(State.VALUE),
    (State.VALUE, "</arg_value>"): Transition(
        State.ARGUMENTS, after_space("<arg_key>", "</tool_call>", "<tool_call>", Lookahead.END)
    ),
    # What follows is for tags that are missing, doubled or the wrong one.
    **each(BETWEEN_ARGUMENTS, "<tool_call>", Transition(State.BEFORE_NAME, _KNOWN_CALL)),
    (State.ARGUMENTS, ANY_TEXT): Transition(State.KEY, ((Lookahead.ANY_NAME, "</arg_key>"),)),
    (State.KEY, "<arg_key>"): Transition(State.KEY),
    (State.KEY, "<arg_value>"): Transition(State.VALUE),
    (State.KEY, "</tool_call>"): Transition(State.CALLS),
    (State.BEFORE_VALUE, "</arg_key>"): Transition(State.BEFORE_VALUE),
    (State.VALUE, "</arg_key>"): Transition(State.ARGUMENTS, after_space("<arg_key>", "</tool_call>")),
    (State.VALUE, "</tool_call>"): Transition(State.CALLS, after_space("<tool_call>", Lookahead.END)),
    (State.CALLS, "</tool_call>"): Transition(State.CALLS),
}
_STOPS: Final = ("<|user|>", "<|observation|>", "<|endoftext|>")

GLM_4_6: Final = Format(
    name="glm-4.6", transitions=_TRANSITIONS, stops=_STOPS, leads={State.START: "\n", State.OPEN: "\n"}
)
GLM_4_6V: Final = Format(
    name="glm-4.6v",
    transitions={
        **_TRANSITIONS,
        **each((State.START, State.OPEN, State.CONTENT), "<|begin_of_box|>", Transition(State.CONTENT)),
        (State.CONTENT, "<|end_of_box|>"): Transition(State.CONTENT),
    },
    stops=_STOPS,
    leads=GLM_4_6.leads,
)
GLM_4_7: Final = Format(name="glm-4.7", transitions=_TRANSITIONS, initial_state=State.THINKING, stops=_STOPS)
