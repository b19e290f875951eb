r"""DeepSeek V3, R1, V3.1 and V3.2.

    V3, R1  calls     "<｜tool▁calls▁begin｜>" call ("\n" call)* "<｜tool▁calls▁end｜>"
            call      "<｜tool▁call▁begin｜>" type "<｜tool▁sep｜>" name fence "<｜tool▁call▁end｜>"
            type      "function"
            fence     "\n```json\n" {…} "\n```"
    V3.1    call      "<｜tool▁call▁begin｜>" name "<｜tool▁sep｜>" {…} "<｜tool▁call▁end｜>"
    V3.2    calls     "\n\n<｜DSML｜function_calls>\n" call* "</｜DSML｜function_calls>"
            call      '<｜DSML｜invoke name="' name '">\n' argument* "</｜DSML｜invoke>\n"
            argument  '<｜DSML｜parameter name="' key '" string="true">' value "</｜DSML｜parameter>\n"

R1's prompt ends with `<think>\n`, that of V3.1 and V3.2 with `<think>` or, without thinking, `</think>`.
In V3.2 the markup distinguishes strings from JSON: no schema is needed.
Sources: the chat templates of deepseek-ai/DeepSeek-V3-0324, -R1-0528 and -V3.1, and V3.2's encoding.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import (
    Condition,
    Encoding,
    Fingerprint,
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
    each,
)

__all__ = ["FAMILY"]

_CALLS, _CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_CALL, _CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
_SEP = "<｜tool▁sep｜>"

_JSON: Final[Transitions] = {
    **each(IN_ANSWER, _CALLS, Transition(State.CALLS, after_space(_CALL, _CALLS_END))),
    (State.CALLS, _CALL_END): Transition(State.CALLS),
    (State.CALLS, _CALLS_END): Transition(State.CALLS),
    # Missing or broken JSON.
    **each((State.NAME, State.BEFORE_BODY), _CALL_END, Transition(State.CALLS)),
    (State.BODY, _CALL_END): Transition(
        State.CALLS, ((Lookahead.OUTSIDE_STRING,), *after_space(_CALL, _CALLS_END, Lookahead.END))
    ),
}
_V3_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, _CALL, "function", _SEP, Lookahead.KNOWN_NAME, "\n"),)
_V3_1_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, _CALL, Lookahead.KNOWN_NAME, _SEP),)

_V3: Final = Format(
    name="deepseek-v3",
    fingerprint=Fingerprint(template=(_CALLS,), model_name=r"deepseek-?v3"),
    thinking_tags=THINK,
    transitions={
        **_JSON,
        **each(IN_THINKING, _CALLS, Transition(State.CALLS, _V3_KNOWN_CALL)),
        (State.CALLS, _CALL): Transition(State.CALL_HEADER, (("function", _SEP, Lookahead.ANY_NAME, "\n"),)),
        (State.CALL_HEADER, _SEP): Transition(State.NAME),
        (State.NAME, "\n"): Transition(State.BEFORE_BODY),
        **each((State.BEFORE_BODY,), "```json", Transition(State.BEFORE_BODY)),
        **each((State.BEFORE_BODY,), "```", Transition(State.BEFORE_BODY)),
        (State.CALLS, "```"): Transition(State.CALLS, after_space(_CALL_END)),
    },
    stop_tokens=("<｜end▁of▁sentence｜>",),
)
_R1: Final = replace(
    _V3,
    name="deepseek-r1",
    fingerprint=Fingerprint(template=(_CALLS, "<think>"), model_name=r"deepseek-?r1"),
    transitions={**_V3.transitions, (State.REASONING, "\n</think>"): Transition(State.OPEN)},
    initial_state=State.THINKING,
    leading_text={State.THINKING: "\n", State.REASONING: "\n", State.OPEN: "\n\n"},
    syntax=Syntax(),
)
_V3_1: Final = replace(
    _V3,
    name="deepseek-v3.1",
    fingerprint=Fingerprint(template=(_CALLS, "thinking"), model_name=r"deepseek-?v3\.1"),
    transitions={
        **_JSON,
        **each(IN_THINKING, _CALLS, Transition(State.CALLS, _V3_1_KNOWN_CALL)),
        (State.CALLS, _CALL): Transition(
            State.BEFORE_NAME, ((Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, _SEP),)
        ),
        (State.NAME, _SEP): Transition(State.BEFORE_BODY),
    },
    initial_state=State.THINKING,
    syntax=Syntax(),
)

_DSML, _DSML_END = "<｜DSML｜function_calls>", "</｜DSML｜function_calls>"
_INVOKE, _INVOKE_END = '<｜DSML｜invoke name="', "</｜DSML｜invoke>"
_PARAMETER, _PARAMETER_END = '<｜DSML｜parameter name="', "</｜DSML｜parameter>"
_KNOWN_INVOKE: Final[Condition] = ((Lookahead.SPACE, _INVOKE, Lookahead.KNOWN_NAME, '"'),)
_ANY_INVOKE: Final[Condition] = (
    (Lookahead.SPACE, _INVOKE, Lookahead.ANY_NAME, '"'),
    (Lookahead.SPACE, _DSML_END),
)

_V3_2: Final = replace(
    _V3_1,
    name="deepseek-v3.2",
    fingerprint=Fingerprint(template=("｜DSML｜",), model_name=r"deepseek-?v3\.2"),
    transitions={
        **each(IN_THINKING, _DSML, Transition(State.CALLS, _KNOWN_INVOKE)),
        **each(IN_ANSWER, _DSML, Transition(State.CALLS, _ANY_INVOKE)),
        (State.CONTENT, f"\n\n{_DSML}"): Transition(State.CALLS, _ANY_INVOKE),
        (State.CALLS, _DSML_END): Transition(State.CALLS),
        (State.CALLS, _INVOKE): Transition(State.NAME, ((Lookahead.ANY_NAME, '"'),)),
        (State.NAME, '">'): Transition(State.ARGUMENTS),
        **each(BETWEEN_ARGUMENTS, _PARAMETER, Transition(State.KEY)),
        **each(BETWEEN_ARGUMENTS, _INVOKE_END, Transition(State.CALLS)),
        (State.KEY, '" string="true">'): Transition(State.VALUE, encoding=Encoding.TEXT),
        (State.KEY, '" string="false">'): Transition(State.VALUE, encoding=Encoding.JSON_EXCEPT_STRING),
        (State.KEY, '">'): Transition(State.VALUE),
        (State.VALUE, _PARAMETER_END): Transition(
            State.ARGUMENTS, after_space(_PARAMETER, _INVOKE_END, _DSML_END, Lookahead.END)
        ),
        # Missing closing tags.
        **each(BETWEEN_ARGUMENTS, _DSML_END, Transition(State.CALLS)),
        (State.VALUE, _INVOKE_END): Transition(State.CALLS, after_space(_DSML_END, Lookahead.END)),
    },
)
FAMILY: Final = (_V3_2, _V3_1, _R1, _V3)
