"""Transitions and conditions that several families share, and short forms to write them."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from headrace.formats.format import ANY_TEXT, Condition, Lookahead, State, Transition, Transitions

__all__ = [
    "AFTER_BRACE",
    "ANY_CALL_OBJECT",
    "ANY_TOOL_NAME",
    "BARE_CALL_OBJECT",
    "BETWEEN_ARGUMENTS",
    "IN_ANSWER",
    "IN_THINKING",
    "KNOWN_CALL_OBJECT",
    "KNOWN_TOOL_NAME",
    "LINE_ENDS",
    "NAME_BEFORE_BODY",
    "PARAMETERS_CALL_OBJECT",
    "THINK",
    "after_space",
    "answer_between",
    "behind",
    "each",
    "first_of",
    "in_array",
    "json_repairs",
    "misplaced_tags",
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

NAME_BEFORE_BODY: Final[Condition] = ((Lookahead.TAGS, Lookahead.KNOWN_NAME, Lookahead.TAGS, "{"),)
"""A known tool's name, and then a body in JSON, whatever tags are between them."""

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
    follows = after_space(end, *following, Lookahead.END)
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


def first_of(transitions: Transitions, *others: Transitions) -> Transitions:
    """Join tables: a transition of a later table is tried if those of the earlier ones do not apply."""
    joined = dict(transitions)
    for other in others:
        for key, transition in other.items():
            joined[key] = _chain(joined[key], transition) if key in joined else transition
    return joined


def _chain(first: Transition, last: Transition) -> Transition:
    return replace(first, otherwise=_chain(first.otherwise, last) if first.otherwise else last)


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


def misplaced_tags(before: Collection[str], after: Collection[str], known: Condition) -> Transitions:
    """Return the repairs of calls with a JSON body whose tags are in the wrong place.

    Args:
        before: the tags before the body of a call.
        after: the tags after it, and delimiters that mean nothing in an answer.
        known: how a known tool's name looks before its body; begins with `Lookahead.TAGS`.
    """
    tags = (*before, *after)
    at_once = Transition(State.BEFORE_NAME, known, partial=False)
    stray = Transition(State.CALLS, after_space(*tags, Lookahead.END))
    return {
        **{(state, tag): at_once for state in IN_ANSWER for tag in before},
        **{(State.CALLS, tag): Transition(State.BEFORE_NAME, known, otherwise=stray) for tag in tags},
        **{(State.BEFORE_NAME, tag): Transition(State.BEFORE_NAME) for tag in tags},
        **{(State.NAME, tag): Transition(State.BEFORE_BODY) for tag in before},
        **{(State.BEFORE_BODY, tag): Transition(State.BEFORE_BODY) for tag in before},
    }


def in_array(condition: Condition) -> Condition:
    """Return the condition that a bracket follows, and then what `condition` describes."""
    return tuple((Lookahead.SPACE, "[", *path) for path in condition)


def behind(tag: str, condition: Condition) -> Condition:
    """Return the condition that `tag` follows, and then what `condition` describes."""
    return tuple((Lookahead.SPACE, tag, Lookahead.SPACE, *path) for path in condition)


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

BARE_CALL_OBJECT: Final[Condition] = ((*_BRACE, *_NAME, Lookahead.KNOWN_NAME, '"', *_COMMA, '"arguments"'),)
"""A known name followed by arguments, with nothing else that shows that it is a call."""

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
