r"""GLM, from 4.5 on; Laguna.

    4.5, 4.6  ["\n"] ["<think>" reasoning "</think>"] ["\n"] content ("\n"? call)*
    4.7, 5.x  reasoning "</think>" content call*                   the prompt opened the thinking
    call      "<tool_call>" name (key value)* "</tool_call>"
    key       "<arg_key>" text "</arg_key>"
    value     "<arg_value>" text "</arg_value>"

4.5 and 4.6 write a line end after the name and after each closing tag; 4.7 and later write none. The
parser accepts both variants for every version. 4.5V and 4.6V enclose the final answer in a box.
Ling 3.0 and Spark 2.5 write the markup of 4.7. Laguna does, too, with line ends around thinking and answer.

A value has no escapes: it may contain `</arg_value>`, as the very token that would end it. So the
tags that end a value count only where the grammar can continue after them, and `<tool_call>` counts only
before a call.
Sources: the chat templates of zai-org/GLM-4.6, GLM-4.7 and GLM-5.3, and of
poolside/Laguna-XS.2.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import (
    ANY_TEXT,
    Condition,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
    Transitions,
)
from headrace.formats.transitions import (
    BETWEEN_ARGUMENTS,
    IN_ANSWER,
    IN_THINKING,
    THINK,
    after_space,
    behind,
    each,
    first_of,
    space_before_stop,
)

__all__ = ["FAMILY", "GLM_4_6"]

_KNOWN_CALL: Final[Condition] = (
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.LINE_END),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "<arg_key>"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "</tool_call>"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, Lookahead.END),
    # JSON instead of arguments, and wrong tags.
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "{"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "<tool_call>"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "</arg_key>"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "</arg_value>"),
    (Lookahead.SPACE, Lookahead.NAME_AND_KEY, "</arg_key>", Lookahead.SPACE, "<arg_value>"),
)
# A call of a tool that was not offered is recognized by its arguments …
_ANY_CALL: Final[Condition] = (
    *_KNOWN_CALL,
    (Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, "<arg_key>"),
)
# … without which it looks like a mention in prose, unless it stands alone.
_LONE_CALL: Final[Condition] = (
    *_ANY_CALL,
    (Lookahead.ANY_NAME, Lookahead.SPACE, "</tool_call>", Lookahead.SPACE, "<tool_call>"),
    (Lookahead.ANY_NAME, Lookahead.SPACE, "</tool_call>", Lookahead.SPACE, Lookahead.END),
)

# After a call, the next one may lack `<tool_call>`.
_BARE_CALL: Final[Condition] = (
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "<arg_key>"),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "</tool_call>"),
)
# At the beginning of an answer, its argument has to be complete as well.
_FIRST_BARE_CALL: Final[Condition] = (
    (Lookahead.KNOWN_NAME, Lookahead.SPACE, "<arg_key>", Lookahead.KEY, "</arg_key>"),
)
_NEXT_KEY: Final = Transition(
    State.KEY,
    ((Lookahead.KNOWN_KEY, "</arg_key>"), ("</arg_value>", Lookahead.KNOWN_KEY, "</arg_key>")),
)

_GRAMMAR: Final[Transitions] = {
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
        State.ARGUMENTS,
        (
            *after_space("<arg_key>", "</tool_call>", "<tool_call>", Lookahead.END),
            (Lookahead.SPACE, Lookahead.KNOWN_KEY, "</arg_key>"),
        ),
    ),
}
_DOUBLED: Final = Transition(State.CALLS, behind("<tool_call>", _KNOWN_CALL))
_REPAIRS: Final[Transitions] = {  # of missing, doubled, swapped and wrong tags
    **each(IN_ANSWER, "<tool_call>", _DOUBLED),
    (State.CONTENT, "\n<tool_call>"): _DOUBLED,
    **each((State.START, State.OPEN), ANY_TEXT, Transition(State.NAME, _FIRST_BARE_CALL)),
    (State.CALLS, ANY_TEXT): Transition(State.NAME, _BARE_CALL),
    **each(
        IN_ANSWER,
        "<arg_key>",
        Transition(
            State.BEFORE_NAME,
            tuple(
                (Lookahead.KNOWN_NAME, Lookahead.SPACE, tag, Lookahead.KEY, "</arg_key>")
                for tag in ("<tool_call>", "<arg_key>")
            ),
            partial=False,
        ),
    ),
    (State.NAME, "{"): Transition(State.ARGUMENTS, consume=False),
    (State.NAME, "<tool_call>"): Transition(State.ARGUMENTS, consume=False),
    (State.NAME, "</arg_key>"): Transition(
        State.BEFORE_VALUE, after_space("<arg_value>"), otherwise=Transition(State.ARGUMENTS)
    ),
    **each(BETWEEN_ARGUMENTS, "</arg_key>", Transition(State.ARGUMENTS)),
    **each((State.NAME, *BETWEEN_ARGUMENTS), "</arg_value>", Transition(State.ARGUMENTS)),
    **each(
        BETWEEN_ARGUMENTS,
        "<tool_call>",
        Transition(
            State.BEFORE_NAME,
            _KNOWN_CALL,
            otherwise=Transition(
                State.KEY,
                ((Lookahead.KEY, "</arg_key>"),),
                otherwise=Transition(State.ARGUMENTS, after_space("</tool_call>")),
            ),
        ),
    ),
    (State.ARGUMENTS, ANY_TEXT): Transition(State.KEY, ((Lookahead.KEY, "</arg_key>"),)),
    (State.KEY, "<arg_key>"): Transition(State.KEY),
    (State.KEY, "<arg_value>"): Transition(State.VALUE),
    (State.KEY, "<arg_value></arg_key>"): Transition(State.VALUE),
    (State.KEY, "</arg_value>"): Transition(
        State.BEFORE_VALUE, after_space("<arg_value>"), otherwise=Transition(State.KEY)
    ),
    (State.KEY, "</tool_call>"): Transition(State.CALLS),
    (State.BEFORE_VALUE, "</arg_key>"): Transition(State.BEFORE_VALUE),
    (State.BEFORE_VALUE, "</arg_value>"): Transition(State.VALUE),
    (State.VALUE, "<arg_key>"): _NEXT_KEY,
    (State.VALUE, "<tool_call>"): Transition(State.BEFORE_NAME, _FIRST_BARE_CALL, partial=False),
    (State.VALUE, "<arg_value>"): Transition(State.ARGUMENTS, after_space("<arg_key>", "</tool_call>")),
    (State.VALUE, "</arg_key>"): Transition(State.ARGUMENTS, after_space("<arg_key>", "</tool_call>")),
    (State.VALUE, "</tool_call>"): Transition(State.CALLS, after_space("<tool_call>", Lookahead.END)),
    (State.CALLS, "</tool_call>"): Transition(State.CALLS),
    (State.CALLS, "</arg_value>"): Transition(State.CALLS),
}
_TRANSITIONS: Final = first_of(_GRAMMAR, _REPAIRS)

GLM_4_6: Final = Format(
    name="glm-4.6",
    aliases=("glm-4.5",),
    model_names=r"glm-?4\.[56]",
    thinking_tags=THINK,
    transitions=_TRANSITIONS,
    stop_tokens=("<|user|>", "<|observation|>", "<|endoftext|>"),
    leading_text={State.START: "\n", State.OPEN: "\n"},
    syntax=Syntax(
        call="<tool_call>{name}\n{arguments}</tool_call>",
        separator="\n",
        argument="<arg_key>{key}</arg_key>\n<arg_value>{value}</arg_value>\n",
        value_end="</arg_value>",
    ),
)
_GLM_4_6V: Final = replace(
    GLM_4_6,
    name="glm-4.6v",
    aliases=("glm-4.5v",),
    model_names=r"glm-?4\.[56]v",
    signs=("<|begin_of_image|>",),
    transitions={
        **_TRANSITIONS,
        **each((State.START, State.OPEN, State.CONTENT), "<|begin_of_box|>", Transition(State.CONTENT)),
        (State.CONTENT, "<|end_of_box|>"): Transition(State.CONTENT),
    },
)
_GLM_4_7: Final = replace(
    GLM_4_6,
    name="glm-4.7",
    aliases=("glm-5", "glm-5.1", "glm-5.2"),
    model_names=r"glm-?(4\.[7-9]|[5-9])",
    initial_state=State.THINKING,
    leading_text={},
    syntax=Syntax(
        call="<tool_call>{name}{arguments}</tool_call>",
        argument="<arg_key>{key}</arg_key><arg_value>{value}</arg_value>",
        value_end="</arg_value>",
    ),
)
_LING_3: Final = replace(
    _GLM_4_7,
    name="ling-3",
    aliases=(),
    model_names=r"ling-?3",
    signs=("<|role_end|>",),
    stop_tokens=("<|role_end|>",),
)
_SPARK_2_5: Final = replace(
    _GLM_4_7,
    name="spark-2.5",
    aliases=(),
    model_names=r"spark-?2\.5",
    signs=("<|Bot|>",),
    stop_tokens=("<｜end▁of▁sentence｜>",),
)
# The same calls, but line ends around the thinking and the answer.
_LAGUNA: Final = replace(
    _GLM_4_7,
    name="laguna",
    aliases=(),
    model_names=r"laguna",
    signs=("</assistant>",),
    transitions={
        **_TRANSITIONS,
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **space_before_stop("\n", "</assistant>"),
    },
    stop_tokens=("</assistant>",),
    leading_text=dict.fromkeys((State.START, State.THINKING, State.REASONING, State.OPEN), "\n"),
    syntax=GLM_4_6.syntax,
)
# Its template has no switch for the thinking.
_GLM_5_3: Final = replace(
    _GLM_4_7,
    name="glm-5.3",
    aliases=(),
    model_names=r"glm-?5\.3",
    always_thinks=True,
)
FAMILY: Final = (_LING_3, _SPARK_2_5, _LAGUNA, _GLM_4_6V, GLM_4_6, _GLM_5_3, _GLM_4_7)
