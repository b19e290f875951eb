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

from headrace.formats.format import Format, Guard, Look, Mode, Step
from headrace.formats.rows import BETWEEN_ARGUMENTS, IN_ANSWER, IN_THINKING, THINK, Rows, after_space, each

__all__ = ["DEEPSEEK_R1", "DEEPSEEK_V3", "DEEPSEEK_V3_1", "DEEPSEEK_V3_2"]

_STOPS: Final = ("<｜end▁of▁sentence｜>",)
_CALLS, _CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
_CALL, _CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
_SEP = "<｜tool▁sep｜>"

_JSON: Final[Rows] = {
    **THINK,
    **each(IN_ANSWER, _CALLS, Step(Mode.CALLS, after_space(_CALL, _CALLS_END))),
    (Mode.CALLS, _CALL_END): Step(Mode.CALLS),
    (Mode.CALLS, _CALLS_END): Step(Mode.CALLS),
    # The JSON is missing or broken.
    **each((Mode.NAME, Mode.BEFORE_BODY), _CALL_END, Step(Mode.CALLS)),
    (Mode.BODY, _CALL_END): Step(Mode.CALLS, ((Look.NO_STRING,), *after_space(_CALL, _CALLS_END, Look.END))),
}
_V3_KNOWN_CALL: Final[Guard] = ((Look.SPACE, _CALL, "function", _SEP, Look.KNOWN_NAME, "\n"),)
_V3: Final[Rows] = {
    **_JSON,
    **each(IN_THINKING, _CALLS, Step(Mode.CALLS, _V3_KNOWN_CALL)),
    (Mode.CALLS, _CALL): Step(Mode.CALL_HEADER, (("function", _SEP, Look.ANY_NAME, "\n"),)),
    (Mode.CALL_HEADER, _SEP): Step(Mode.NAME),
    (Mode.NAME, "\n"): Step(Mode.BEFORE_BODY),
    **each((Mode.BEFORE_BODY,), "```json", Step(Mode.BEFORE_BODY)),
    **each((Mode.BEFORE_BODY,), "```", Step(Mode.BEFORE_BODY)),
    (Mode.CALLS, "```"): Step(Mode.CALLS, after_space(_CALL_END)),
}

DEEPSEEK_V3: Final = Format(name="deepseek-v3", steps=_V3, stops=_STOPS)
DEEPSEEK_R1: Final = Format(
    name="deepseek-r1",
    steps={**_V3, (Mode.REASONING, "\n</think>"): Step(Mode.OPEN)},
    thinking_starts=Mode.THINKING,
    stops=_STOPS,
    leads={Mode.THINKING: "\n", Mode.REASONING: "\n", Mode.OPEN: "\n\n"},
)
DEEPSEEK_V3_1: Final = Format(
    name="deepseek-v3.1",
    steps={
        **_JSON,
        **each(IN_THINKING, _CALLS, Step(Mode.CALLS, ((Look.SPACE, _CALL, Look.KNOWN_NAME, _SEP),))),
        (Mode.CALLS, _CALL): Step(Mode.BEFORE_NAME, ((Look.SPACE, Look.ANY_NAME, Look.SPACE, _SEP),)),
        (Mode.NAME, _SEP): Step(Mode.BEFORE_BODY),
    },
    thinking_starts=Mode.THINKING,
    stops=_STOPS,
)

_DSML, _DSML_END = "<｜DSML｜function_calls>", "</｜DSML｜function_calls>"
_INVOKE, _INVOKE_END = '<｜DSML｜invoke name="', "</｜DSML｜invoke>"
_PARAMETER, _PARAMETER_END = '<｜DSML｜parameter name="', "</｜DSML｜parameter>"
_INVOKES: Final[Guard] = ((Look.SPACE, _INVOKE, Look.ANY_NAME, '"'), (Look.SPACE, _DSML_END))

DEEPSEEK_V3_2: Final = Format(
    name="deepseek-v3.2",
    steps={
        **THINK,
        **each(IN_THINKING, _DSML, Step(Mode.CALLS, ((Look.SPACE, _INVOKE, Look.KNOWN_NAME, '"'),))),
        **each(IN_ANSWER, _DSML, Step(Mode.CALLS, _INVOKES)),
        (Mode.CONTENT, f"\n\n{_DSML}"): Step(Mode.CALLS, _INVOKES),
        (Mode.CALLS, _DSML_END): Step(Mode.CALLS),
        (Mode.CALLS, _INVOKE): Step(Mode.NAME, ((Look.ANY_NAME, '"'),)),
        (Mode.NAME, '">'): Step(Mode.ARGUMENTS),
        **each(BETWEEN_ARGUMENTS, _PARAMETER, Step(Mode.KEY)),
        **each(BETWEEN_ARGUMENTS, _INVOKE_END, Step(Mode.CALLS)),
        (Mode.KEY, '" string="true">'): Step(Mode.VALUE, kind="string"),
        (Mode.KEY, '" string="false">'): Step(Mode.VALUE, kind="json"),
        (Mode.KEY, '">'): Step(Mode.VALUE),
        (Mode.VALUE, _PARAMETER_END): Step(
            Mode.ARGUMENTS, after_space(_PARAMETER, _INVOKE_END, _DSML_END, Look.END)
        ),
        # A closing tag is missing.
        **each(BETWEEN_ARGUMENTS, _DSML_END, Step(Mode.CALLS)),
        (Mode.VALUE, _INVOKE_END): Step(Mode.CALLS, after_space(_DSML_END, Look.END)),
    },
    thinking_starts=Mode.THINKING,
    stops=_STOPS,
)
