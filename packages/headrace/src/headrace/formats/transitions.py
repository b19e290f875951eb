"""Transitions and conditions that several families share, and short forms to write them."""

from collections.abc import Iterable, Mapping
from typing import Final

from headrace.formats.format import ANY_TEXT, Condition, Lookahead, State, Transition, Transitions

__all__ = [
    "AFTER_BRACE",
    "ANY_CALL_OBJECT",
    "ANY_TOOL_NAME",
    "BETWEEN_ARGUMENTS",
    "IN_ANSWER",
    "IN_THINKING",
    "KNOWN_CALL_OBJECT",
    "KNOWN_TOOL_NAME",
    "LINE_ENDS",
    "PARAMETERS_CALL_OBJECT",
    "THINK",
    "after_space",
    "answer_between",
    "each",
    "json_repairs",
    "space_before_stop",
]

THINK: Final = ("<think>", "</think>")
"""The thinking tags of most families."""

LINE_ENDS: Final[Mapping[State, str]] = {
    State.START: "\n\n",
    State.THINKING: "\n",
    State.REASONING: "\n",
    State.OPEN: "\n\n",
}
"""The leading text of families that write `<think>\\n` before the thinking and a blank line after it."""

IN_THINKING: Final = (State.THINKING, State.REASONING)
IN_ANSWER: Final = (State.START, State.OPEN, State.CONTENT, State.CALLS)
BETWEEN_ARGUMENTS: Final = (State.ARGUMENTS, State.UNPARSED)


def each(states: Iterable[State], delimiter: str, transition: Transition) -> Transitions:
    """Return the same transition from several states."""
    return {(state, delimiter): transition for state in states}


def after_space(*items: str | Lookahead) -> Condition:
    """Return the condition that any of `items` follows, after white space."""
    return tuple((Lookahead.SPACE, item) for item in items)


def answer_between(begin: str, end: str, *following: str) -> Transitions:
    """Return the transitions of tags around the answer, which may contain the calls or precede them.

    Args:
        begin: the tag before the answer.
        end: the tag after it, which `following` or the end of the output follows.
        following: tags.
    """
    follows = after_space(*following, Lookahead.END)
    return {
        **each((State.START, State.OPEN), begin, Transition(State.OPEN)),
        **each((State.START, State.OPEN, State.CONTENT), end, Transition(State.OPEN, follows)),
        (State.CONTENT, f"\n{end}"): Transition(State.OPEN, follows),
        (State.CALLS, end): Transition(State.CALLS, follows),
    }


def space_before_stop(space: str, stop_token: str) -> Transitions:
    """Return the transitions for line ends between the answer and the stop token, which are dropped."""
    return {
        (State.CONTENT, space): Transition(State.END, ((Lookahead.END,),)),
        (State.CONTENT, space + stop_token): Transition(State.END, after_space(Lookahead.END)),
    }


def json_repairs(begin: str, separator: str, known: Condition, bare: Condition) -> Transitions:
    """Return the transitions for missing and doubled tags around a call with a JSON body.

    Args:
        begin: the tag before the name.
        separator: the tag between name and body.
        known: what follows the first tag of a call of a known tool.
        bare: the same, without white space, where the first tag is missing between two calls.
    """
    return {
        **each(IN_ANSWER, begin + begin, Transition(State.BEFORE_NAME, known)),
        (State.CALLS, ANY_TEXT): Transition(State.NAME, bare),
        (State.CALLS, separator): Transition(State.CALLS),
        (State.NAME, "{"): Transition(State.BODY, consume=False),
        (State.BEFORE_BODY, separator): Transition(State.BEFORE_BODY),
    }


# How to recognize {"name": …, "arguments": …}.
_BRACE: Final = (Lookahead.SPACE, "{", Lookahead.SPACE)
_COLON: Final = (Lookahead.SPACE, ":", Lookahead.SPACE)
_COMMA: Final = (Lookahead.SPACE, ",", Lookahead.SPACE)
_TYPE: Final = ('"type"', *_COLON, '"function"', *_COMMA)
_NAME: Final = ('"name"', *_COLON, '"')

KNOWN_CALL_OBJECT: Final[Condition] = (
    (*_BRACE, *_NAME, Lookahead.KNOWN_NAME, '"'),
    (*_BRACE, *_TYPE, *_NAME, Lookahead.KNOWN_NAME, '"'),
)
"""The name of one of the request's tools."""

PARAMETERS_CALL_OBJECT: Final[Condition] = (
    *KNOWN_CALL_OBJECT,
    (*_BRACE, *_NAME, Lookahead.ANY_NAME, '"', *_COMMA, '"parameters"'),
)
"""A known name, or any name followed by parameters."""

AFTER_BRACE: Final[Condition] = tuple(
    sequence[2:]
    for sequence in (
        *PARAMETERS_CALL_OBJECT,
        (*_BRACE, *_NAME, Lookahead.ANY_NAME, '"', *_COMMA, '"arguments"'),
    )
)
"""The same after the brace, or any name followed by arguments."""

ANY_CALL_OBJECT: Final[Condition] = (
    *KNOWN_CALL_OBJECT,
    (*_BRACE, *_NAME, Lookahead.ANY_NAME, '"'),
    (*_BRACE, '"arguments"', *_COLON, "{"),
    (*_BRACE, '"id"', *_COLON, '"'),
)
"""Any name, or the arguments or the id before the name."""

KNOWN_TOOL_NAME: Final[Condition] = ((*_BRACE, '"tool_name"', *_COLON, '"', Lookahead.KNOWN_NAME, '"'),)
"""The same as Cohere writes it."""

ANY_TOOL_NAME: Final[Condition] = (
    *KNOWN_TOOL_NAME,
    (*_BRACE, '"tool_name"', *_COLON, '"', Lookahead.ANY_NAME, '"'),
    (*_BRACE, '"tool_call_id"', *_COLON, '"'),
)
