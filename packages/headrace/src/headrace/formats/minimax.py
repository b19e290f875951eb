r"""MiniMax M2 and M3, dots.

    M2  output    reasoning "\n</think>\n\n" content ("\n"? calls)?     the prompt ends with `<think>\n`
        calls     "<minimax:tool_call>\n" call* "</minimax:tool_call>"
        call      '<invoke name="' name '">\n' argument* "</invoke>\n"
        argument  '<parameter name="' key '">' value "</parameter>\n"
    M3  output    ["<mm:think>" reasoning] "</mm:think>" content calls
        calls     NS "<tool_call>\n" call* NS "</tool_call>"
        call      NS '<invoke name="' name '">' element* NS "</invoke>\n"
        element   NS "<" key ">" (text | element*) NS "</" key ">"

In M3, NS is the token `]<]minimax[>[`, the items of an array are elements named `item`, and the first tag is
in the prompt if the request decides on the thinking.
dots writes the same calls between "<dots_function_call>" and "</dots_function_call>".
Sources: the chat templates of MiniMaxAI/MiniMax-M2 and -M3; SGLang's parsers `minimax-m3` and `dots`.
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
)
from headrace.formats.parameters import ParameterTags, parameter_syntax, parameter_transitions
from headrace.formats.transitions import (
    BETWEEN_ARGUMENTS,
    IN_ANSWER,
    IN_THINKING,
    LINE_ENDS,
    THINK,
    after_space,
    each,
)

__all__ = ["FAMILY"]

_TAGS: Final = ParameterTags(
    before_block="\n",
    block="<minimax:tool_call>",
    block_end="</minimax:tool_call>",
    call='<invoke name="',
    name_end='">',
    call_end="</invoke>",
    parameter='<parameter name="',
    key_ends={'">': Encoding.BY_SCHEMA},
    parameter_end="</parameter>",
)

_MINIMAX_M2: Final = Format(
    name="minimax-m2",
    model_names=r"minimax-?m2",
    thinking_tags=THINK,
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **parameter_transitions(_TAGS),
    },
    initial_state=State.THINKING,
    stop_tokens=("[e~[",),
    leading_text=LINE_ENDS,
    syntax=parameter_syntax(_TAGS),
)
_DOTS_TAGS: Final = replace(_TAGS, block="<dots_function_call>", block_end="</dots_function_call>")
_DOTS: Final = replace(
    _MINIMAX_M2,
    name="dots",
    model_names=r"dots",
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **parameter_transitions(_DOTS_TAGS),
    },
    stop_tokens=("<|endofassistant|>",),
    syntax=parameter_syntax(_DOTS_TAGS),
)

_NS: Final = "]<]minimax[>["
_BLOCK, _BLOCK_END = f"{_NS}<tool_call>", f"{_NS}</tool_call>"
_CALL, _CALL_END = f'{_NS}<invoke name="', f"{_NS}</invoke>"
_ELEMENT, _ELEMENT_END = f"{_NS}<", f"{_NS}</"
_KNOWN_NAME: Final[Condition] = ((Lookahead.KNOWN_NAME, '"'), (Lookahead.KNOWN_NAME, _ELEMENT))
_BARE_NAME: Final = (Lookahead.KNOWN_NAME, '">')
_SWAPPED_NAME: Final = (Lookahead.KNOWN_NAME, _CALL)
_KNOWN_CALL: Final[Condition] = tuple((Lookahead.SPACE, _CALL, *path) for path in _KNOWN_NAME)
_ANY_CALL: Final[Condition] = (
    (Lookahead.SPACE, _CALL, Lookahead.ANY_NAME, '"'),
    _KNOWN_CALL[1],
    *after_space(_BLOCK_END, _CALL + _CALL),
    (Lookahead.SPACE, *_BARE_NAME),
    (Lookahead.SPACE, '">', *_SWAPPED_NAME),
)
_NEXT_CALL: Final = Transition(
    State.NAME,
    _KNOWN_NAME,
    otherwise=Transition(State.CALLS, ((Lookahead.SPACE, _BLOCK, *_BARE_NAME),)),
)
# Instead of the end of an element, which follows, the tag is swapped.
_CALL_ENDS: Final = Transition(
    State.ELEMENT_END, ((Lookahead.ANY_NAME, ">", _ELEMENT_END),), otherwise=Transition(State.CALLS)
)
_IN_CALL: Final = (*BETWEEN_ARGUMENTS, State.ELEMENT, State.ELEMENT_TEXT, State.ELEMENT_END)

_MINIMAX_M3: Final = Format(
    name="minimax-m3",
    model_names=r"minimax-?m3",
    thinking_tags=("<mm:think>", "</mm:think>"),
    transitions={
        # The model decides on the thinking, and begins the answer with the closing tag.
        (State.START, "</mm:think>"): Transition(State.OPEN),
        **each(IN_THINKING, _BLOCK, Transition(State.CALLS, _KNOWN_CALL)),
        **each(IN_ANSWER, _BLOCK, Transition(State.CALLS, _ANY_CALL)),
        (State.CALLS, _BLOCK_END): Transition(State.CALLS),
        (State.CALLS, _CALL): Transition(State.NAME, ((Lookahead.ANY_NAME, '"'), _KNOWN_NAME[1])),
        (State.NAME, '">'): Transition(State.ARGUMENTS),
        **each(_IN_CALL, _ELEMENT, Transition(State.ELEMENT)),
        **each(_IN_CALL, _ELEMENT_END, Transition(State.ELEMENT_END)),
        (State.ELEMENT, ">"): Transition(State.ELEMENT_TEXT),
        (State.ELEMENT_END, ">"): Transition(State.ARGUMENTS),
        **each(_IN_CALL, _CALL_END, _CALL_ENDS),
        # Missing, doubled and swapped tags.
        **each((State.START, State.OPEN, State.CONTENT), _CALL, _NEXT_CALL),
        **each(IN_ANSWER, _BLOCK + _BLOCK, Transition(State.CALLS, _KNOWN_CALL)),
        (State.CALLS, _CALL + _CALL): _NEXT_CALL,
        (State.CALLS, _CALL_END): Transition(State.CALLS),
        (State.NAME, _ELEMENT): Transition(State.ELEMENT),
        (State.CALLS, ANY_TEXT): Transition(State.NAME, (_BARE_NAME,)),
        (State.CALLS, '">'): Transition(State.NAME, (_SWAPPED_NAME,)),
        (State.NAME, _CALL): Transition(State.ARGUMENTS),
        (State.ELEMENT, '">'): Transition(State.ELEMENT),
        **each(
            _IN_CALL,
            _CALL,
            Transition(
                State.NAME, _KNOWN_NAME, otherwise=Transition(State.ARGUMENTS, after_space(_CALL_END))
            ),
        ),
        **each(_IN_CALL, _BLOCK, Transition(State.CALLS, _KNOWN_CALL)),
        **each(_IN_CALL, _BLOCK_END, Transition(State.CALLS)),
    },
    stop_tokens=("[e~[",),
    syntax=Syntax(
        call=f'{_CALL}{{name}}">{{arguments}}{_CALL_END}\n',
        calls=f"{_BLOCK}\n{{calls}}{_BLOCK_END}",
        argument=f"{_ELEMENT}{{key}}>{{value}}{_ELEMENT_END}{{key}}>",
        value_end=_NS,
        key_pattern=r"[\w-]{1,64}",
    ),
)
FAMILY: Final = (_DOTS, _MINIMAX_M3, _MINIMAX_M2)
