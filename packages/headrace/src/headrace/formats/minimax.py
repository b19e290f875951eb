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
    Condition,
    Encoding,
    Format,
    Lookahead,
    State,
    Syntax,
    Transition,
)
from headrace.formats.parameters import ParameterTags, parameter_transitions
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
    syntax=Syntax(),
)
_DOTS: Final = replace(
    _MINIMAX_M2,
    name="dots",
    model_names=r"dots",
    transitions={
        (State.REASONING, "\n</think>"): Transition(State.OPEN),
        **parameter_transitions(
            replace(_TAGS, block="<dots_function_call>", block_end="</dots_function_call>")
        ),
    },
    stop_tokens=("<|endofassistant|>",),
)

_NS: Final = "]<]minimax[>["
_BLOCK, _BLOCK_END = f"{_NS}<tool_call>", f"{_NS}</tool_call>"
_CALL, _CALL_END = f'{_NS}<invoke name="', f"{_NS}</invoke>"
_ELEMENT, _ELEMENT_END = f"{_NS}<", f"{_NS}</"
_KNOWN_CALL: Final[Condition] = ((Lookahead.SPACE, _CALL, Lookahead.KNOWN_NAME, '"'),)
_ANY_CALL: Final[Condition] = (
    (Lookahead.SPACE, _CALL, Lookahead.ANY_NAME, '"'),
    *after_space(_BLOCK_END, _CALL + _CALL),
)
_NEXT_CALL: Final = Transition(State.NAME, ((Lookahead.KNOWN_NAME, '"'),))
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
        (State.CALLS, _CALL): Transition(State.NAME, ((Lookahead.ANY_NAME, '"'),)),
        (State.NAME, '">'): Transition(State.ARGUMENTS),
        **each(_IN_CALL, _ELEMENT, Transition(State.ELEMENT)),
        **each(_IN_CALL, _ELEMENT_END, Transition(State.ELEMENT_END)),
        (State.ELEMENT, ">"): Transition(State.ELEMENT_TEXT),
        (State.ELEMENT_END, ">"): Transition(State.ARGUMENTS),
        **each(_IN_CALL, _CALL_END, Transition(State.CALLS)),
        # Missing and doubled tags.
        **each((State.START, State.OPEN, State.CONTENT), _CALL, _NEXT_CALL),
        **each(IN_ANSWER, _BLOCK + _BLOCK, Transition(State.CALLS, _KNOWN_CALL)),
        (State.CALLS, _CALL + _CALL): _NEXT_CALL,
        (State.CALLS, _CALL_END): Transition(State.CALLS),
        (State.NAME, _ELEMENT): Transition(State.ELEMENT),
        **each(_IN_CALL, _CALL, _NEXT_CALL),
        **each(_IN_CALL, _BLOCK, Transition(State.CALLS, _KNOWN_CALL)),
        **each(_IN_CALL, _BLOCK_END, Transition(State.CALLS)),
    },
    stop_tokens=("[e~[",),
    syntax=Syntax(),
)
FAMILY: Final = (_DOTS, _MINIMAX_M3, _MINIMAX_M2)
