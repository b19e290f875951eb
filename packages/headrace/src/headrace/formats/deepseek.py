r"""DeepSeek V3, R1, V3.1 and V3.2.

    V3, R1  calls     "<｜tool▁calls▁begin｜>" call ("\n" call)* "<｜tool▁calls▁end｜>"
            call      "<｜tool▁call▁begin｜>" type "<｜tool▁sep｜>" name fence "<｜tool▁call▁end｜>"
            type      "function"
            fence     "\n```json\n" {…} "\n```"
    V3.1    call      "<｜tool▁call▁begin｜>" name "<｜tool▁sep｜>" {…} "<｜tool▁call▁end｜>"
    V3.2    calls     "\n\n<｜DSML｜function_calls>\n" call* "</｜DSML｜function_calls>"
            call      '<｜DSML｜invoke name="' name '">\n' argument* "</｜DSML｜invoke>\n"
            argument  '<｜DSML｜parameter name="' key '" string="true">' value "</｜DSML｜parameter>\n"

R1's prompt writes `<think>\n`, that of V3.1 and V3.2 `<think>` or, without thinking, `</think>`. In
V3.2 the markup says what is a string and what is JSON: no schema is needed.
Sources: the chat templates of deepseek-ai/DeepSeek-V3-0324, -R1-0528 and -V3.1, and V3.2's encoding.
"""

from typing import Final

from headrace.formats.format import Condition, Format, Lookahead, State, Transition
from headrace.formats.transitions import (
    BETWEEN_ARGUMENTS,
    IN_ANSWER,
    IN_THINKING,
    THINK,
    Transitions,
    after_space,
    each,
)

__all__ = ["DEEPSEEK_R1", "DEEPSEEK_V3", "DEEPSEEK_V3_1", "DEEPSEEK_V3_2"]

_STOPS: Final = ("<｜end▁of▁sentence｜>",)
_CALLS, _CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_CALL, _CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
_SEP = "<｜tool▁sep｜>"

_JSON: Final[Transitions] = {
    **THINK,
    **each(IN_ANSWER, _CALLS, Transition(State.CALLS, after_space(_CALL, _CALLS_END))),
    (State.CALLS, _CALL_END): Transition(State.CALLS),
    (State.CALLS, _CALLS_END): Transition(State.CALLS),
    # The JSON is missing or broken.
    **each((State.NAME, State.BEFORE_BODY), _CALL_END, Transition(State.CALLS)),
    (State.BODY, _CALL_END): Transition(
        State.CALLS, ((Lookahead.NO_STRING,), *after_space(_CALL, _CALLS_END, Lookahead.END))
    ),
}
_V3_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, _CALL, "function", _SEP, Lookahead.KNOWN_NAME, "\n"),)
_V3: Final[Transitions] = {
    **_JSON,
    **each(IN_THINKING, _CALLS, Transition(State.CALLS, _V3_KNOWN_CALL)),
    (State.CALLS, _CALL): Transition(State.CALL_HEADER, (("function", _SEP, Lookahead.ANY_NAME, "\n"),)),
    (State.CALL_HEADER, _SEP): Transition(State.NAME),
    (State.NAME, "\n"): Transition(State.BEFORE_BODY),
    **each((State.BEFORE_BODY,), "```json", Transition(State.BEFORE_BODY)),
    **each((State.BEFORE_BODY,), "```", Transition(State.BEFORE_BODY)),
    (State.CALLS, "```"): Transition(State.CALLS, after_space(_CALL_END)),
}

DEEPSEEK_V3: Final = Format(name="deepseek-v3", transitions=_V3, stops=_STOPS)
DEEPSEEK_R1: Final = Format(
    name="deepseek-r1",
    transitions={**_V3, (State.REASONING, "\n</think>"): Transition(State.OPEN)},
    initial_state=State.THINKING,
    stops=_STOPS,
    leads={State.THINKING: "\n", State.REASONING: "\n", State.OPEN: "\n\n"},
)
DEEPSEEK_V3_1: Final = Format(
    name="deepseek-v3.1",
    transitions={
        **_JSON,
        **each(
            IN_THINKING,
            _CALLS,
            Transition(State.CALLS, ((Lookahead.SPACE, _CALL, Lookahead.KNOWN_NAME, _SEP),)),
        ),
        (State.CALLS, _CALL): Transition(
            State.BEFORE_NAME, ((Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, _SEP),)
        ),
        (State.NAME, _SEP): Transition(State.BEFORE_BODY),
    },
    initial_state=State.THINKING,
    stops=_STOPS,
)

_DSML, _DSML_END = "<｜DSML｜function_calls>", "</｜DSML｜function_calls>"
_INVOKE, _INVOKE_END = '<｜DSML｜invoke name="', "</｜DSML｜invoke>"
_PARAMETER, _PARAMETER_END = '<｜DSML｜parameter name="', "</｜DSML｜parameter>"
_INVOKES: Final[Condition] = (
    (Lookahead.SPACE, _INVOKE, Lookahead.ANY_NAME, '"'),
    (Lookahead.SPACE, _DSML_END),
)

DEEPSEEK_V3_2: Final = Format(
    name="deepseek-v3.2",
    transitions={
        **THINK,
        **each(
            IN_THINKING,
            _DSML,
            Transition(State.CALLS, ((Lookahead.SPACE, _INVOKE, Lookahead.KNOWN_NAME, '"'),)),
        ),
        **each(IN_ANSWER, _DSML, Transition(State.CALLS, _INVOKES)),
        (State.CONTENT, f"\n\n{_DSML}"): Transition(State.CALLS, _INVOKES),
        (State.CALLS, _DSML_END): Transition(State.CALLS),
        (State.CALLS, _INVOKE): Transition(State.NAME, ((Lookahead.ANY_NAME, '"'),)),
        (State.NAME, '">'): Transition(State.ARGUMENTS),
        **each(BETWEEN_ARGUMENTS, _PARAMETER, Transition(State.KEY)),
        **each(BETWEEN_ARGUMENTS, _INVOKE_END, Transition(State.CALLS)),
        (State.KEY, '" string="true">'): Transition(State.VALUE, kind="string"),
        (State.KEY, '" string="false">'): Transition(State.VALUE, kind="json"),
        (State.KEY, '">'): Transition(State.VALUE),
        (State.VALUE, _PARAMETER_END): Transition(
            State.ARGUMENTS, after_space(_PARAMETER, _INVOKE_END, _DSML_END, Lookahead.END)
        ),
        # A closing tag is missing.
        **each(BETWEEN_ARGUMENTS, _DSML_END, Transition(State.CALLS)),
        (State.VALUE, _INVOKE_END): Transition(State.CALLS, after_space(_DSML_END, Lookahead.END)),
    },
    initial_state=State.THINKING,
    stops=_STOPS,
)
