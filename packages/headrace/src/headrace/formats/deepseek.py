r"""DeepSeek V3, R1, V3.1, V3.2 and V4; GigaChat 3.5.

    V3, R1  calls     "<｜tool▁calls▁begin｜>" call ("\n" call)* "<｜tool▁calls▁end｜>"
            call      "<｜tool▁call▁begin｜>" type "<｜tool▁sep｜>" name fence "<｜tool▁call▁end｜>"
            type      "function"
            fence     "\n```json\n" {…} "\n```"
    V3.1    call      "<｜tool▁call▁begin｜>" name "<｜tool▁sep｜>" {…} "<｜tool▁call▁end｜>"
    V3.2    calls     "\n\n<｜DSML｜function_calls>\n" call* "</｜DSML｜function_calls>"
            call      '<｜DSML｜invoke name="' name '">\n' argument* "</｜DSML｜invoke>\n"
            argument  '<｜DSML｜parameter name="' key '" string="true">' value "</｜DSML｜parameter>\n"
    V4      the same, in "<｜DSML｜tool_calls>"; GigaChat 3.5 writes GCML instead of DSML

R1's prompt ends with `<think>\n`, that of V3.1 and later with `<think>` or, without thinking, `</think>`.
From V3.2 on, the markup distinguishes strings from JSON: no schema is needed.
Sources: the chat templates of deepseek-ai/DeepSeek-V3-0324, -R1-0528 and -V3.1, -V3.2 and -V4-Flash;
SGLang's parser `gigachat35`.
"""

from typing import Final

from msgspec.structs import replace

from headrace.formats.format import (
    ANY_TEXT,
    Condition,
    Encoding,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
    Transitions,
)
from headrace.formats.parameters import ParameterTags, parameter_syntax, parameter_transitions
from headrace.formats.transitions import (
    IN_ANSWER,
    IN_THINKING,
    KNOWN_CALL_OBJECT,
    LINE_ENDS,
    NAME_BEFORE_BODY,
    THINK,
    after_space,
    each,
    first_of,
    json_repairs,
    misplaced_tags,
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
_V3_KNOWN_NAME: Final[Condition] = (("function", _SEP, Lookahead.KNOWN_NAME, "\n"),)
_V3_NEXT_CALL: Final = Transition(State.CALL_HEADER, _V3_KNOWN_NAME)
_V3_REPAIRS: Final = misplaced_tags(
    (_CALLS, _CALL, _SEP),
    (_CALL_END, _CALLS_END, "function", "```json"),
    tuple((Lookahead.TAGS, Lookahead.KNOWN_NAME, "\n", Lookahead.TAGS, item) for item in ("```", "{")),
)
_V3_1_KNOWN_NAME: Final[Condition] = (
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, _SEP),
    (Lookahead.SPACE, Lookahead.KNOWN_NAME, Lookahead.SPACE, "{"),
)
_V3_1_BARE: Final[Condition] = ((Lookahead.KNOWN_NAME, _SEP), (Lookahead.KNOWN_NAME, _CALL, "{"))
_V3_1_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, _CALL, Lookahead.KNOWN_NAME, _SEP),)

_V3: Final = Format(
    name="deepseek-v3",
    model_names=r"deepseek-?v3",
    transitions=first_of(
        {
            **_JSON,
            **each(IN_THINKING, _CALLS, Transition(State.CALLS, _V3_KNOWN_CALL)),
            (State.CALLS, _CALL): Transition(
                State.CALL_HEADER,
                (
                    ("function", _SEP, Lookahead.ANY_NAME, "\n"),
                    ("function", _SEP + _SEP, Lookahead.KNOWN_NAME, "\n"),
                ),
                otherwise=Transition(State.BEFORE_CALL_OBJECT, KNOWN_CALL_OBJECT),
            ),
            (State.CALL_HEADER, _SEP): Transition(State.NAME),
            (State.NAME, "\n"): Transition(State.BEFORE_BODY),
            (State.BEFORE_BODY, "```json"): Transition(State.BEFORE_BODY),
            (State.BEFORE_BODY, "```"): Transition(State.BEFORE_BODY),
            (State.CALLS, "```"): Transition(
                State.CALLS, after_space("```", _CALL_END, _CALL, _CALLS_END, Lookahead.END)
            ),
            # Missing and doubled tags.
            **each((State.START, State.OPEN, State.CONTENT), _CALL, _V3_NEXT_CALL),
            **each(IN_ANSWER, _CALL + _CALL, _V3_NEXT_CALL),
            **each(IN_ANSWER, _CALLS + _CALLS, Transition(State.CALLS, after_space(_CALL))),
            (State.CALLS, ANY_TEXT): _V3_NEXT_CALL,
            (State.CALL_HEADER, _SEP + _SEP): Transition(State.NAME),
        },
        _V3_REPAIRS,
    ),
    stop_tokens=("<｜end▁of▁sentence｜>",),
    syntax=Syntax(
        call=f"{_CALL}function{_SEP}{{name}}\n```json\n{{arguments}}\n```{_CALL_END}",
        calls=f"{_CALLS}{{calls}}{_CALLS_END}",
        separator="\n",
    ),
)
_R1: Final = replace(
    _V3,
    name="deepseek-r1",
    model_names=r"deepseek-?r1",
    thinking_tags=THINK,
    transitions={**_V3.transitions, (State.REASONING, "\n</think>"): Transition(State.OPEN)},
    initial_state=State.THINKING,
    leading_text=LINE_ENDS,
)
_V3_1: Final = replace(
    _V3,
    name="deepseek-v3.1",
    model_names=r"deepseek-?v3\.1",
    thinking_tags=THINK,
    transitions=first_of(
        {
            **_JSON,
            **each(IN_THINKING, _CALLS, Transition(State.CALLS, _V3_1_KNOWN_CALL)),
            (State.CALLS, _CALL): Transition(
                State.BEFORE_NAME,
                ((Lookahead.SPACE, Lookahead.ANY_NAME, Lookahead.SPACE, _SEP), *_V3_1_KNOWN_NAME[1:]),
            ),
            (State.NAME, _SEP): Transition(State.BEFORE_BODY),
            # Missing and doubled tags.
            **json_repairs(_CALL, _SEP, _V3_1_KNOWN_NAME, _V3_1_BARE),
            **each(
                (State.START, State.OPEN, State.CONTENT),
                _CALL,
                Transition(State.BEFORE_NAME, _V3_1_KNOWN_NAME),
            ),
            **each(IN_ANSWER, _CALLS + _CALLS, Transition(State.CALLS, after_space(_CALL))),
            (State.NAME, _CALL_END): Transition(
                State.BEFORE_BODY, ((Lookahead.SPACE, "{"),), otherwise=Transition(State.CALLS)
            ),
        },
        misplaced_tags((_CALLS, _CALL, _SEP), (_CALL_END, _CALLS_END), NAME_BEFORE_BODY),
    ),
    initial_state=State.THINKING,
    syntax=Syntax(
        call=f"{_CALL}{{name}}{_SEP}{{arguments}}{_CALL_END}", calls=f"{_CALLS}{{calls}}{_CALLS_END}"
    ),
)


def _dsml_tags(language: str, block: str) -> ParameterTags:
    return ParameterTags(
        before_block="\n\n",
        block=f"<｜{language}｜{block}>",
        block_end=f"</｜{language}｜{block}>",
        call=f'<｜{language}｜invoke name="',
        name_end='">',
        call_end=f"</｜{language}｜invoke>",
        parameter=f'<｜{language}｜parameter name="',
        key_ends={
            '" string="true">': Encoding.TEXT,
            '" string="false">': Encoding.JSON,
            '">': Encoding.BY_SCHEMA,
        },
        parameter_end=f"</｜{language}｜parameter>",
    )


_V3_2: Final = replace(
    _V3_1,
    name="deepseek-v3.2",
    model_names=r"deepseek-?v3\.2",
    transitions=parameter_transitions(_dsml_tags("DSML", "function_calls")),
    syntax=parameter_syntax(_dsml_tags("DSML", "function_calls")),
)
_V4: Final = replace(
    _V3_2,
    name="deepseek-v4",
    model_names=r"deepseek-?v4",
    transitions=parameter_transitions(_dsml_tags("DSML", "tool_calls")),
    syntax=parameter_syntax(_dsml_tags("DSML", "tool_calls")),
)
_GIGACHAT_3_5: Final = replace(
    _V4,
    name="gigachat-3.5",
    model_names=r"gigachat-?3\.5",
    transitions=parameter_transitions(_dsml_tags("GCML", "tool_calls")),
    syntax=parameter_syntax(_dsml_tags("GCML", "tool_calls")),
    stop_tokens=("<|message_sep|>", "</s>"),
)
FAMILY: Final = (_GIGACHAT_3_5, _V4, _V3_2, _V3_1, _R1, _V3)
