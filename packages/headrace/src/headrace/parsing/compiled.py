"""A format, compiled: for each state its lexer and its transitions.

A state is compiled when it is first entered, because that takes a millisecond and the detection of a family
enters a few states of fifty formats. A server compiles all states of its models before it serves them.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from headrace.formats import ANY_TEXT, NEXT_ON_TEXT, Format, Lookahead, State, Transition
from headrace.parsing.condition import ConditionMatcher
from headrace.parsing.lexer import Lexer

__all__ = ["FormatTables", "StateTable", "compile_format", "tables_of"]

_STOP: Final = Transition(State.END, ((Lookahead.SPACE, Lookahead.END),))
_OUTSIDE_CALLS: Final = frozenset(
    {
        State.START,
        State.THINKING,
        State.REASONING,
        State.OPEN,
        State.CONTENT,
        State.HEADER,
        State.THINKING_HEADER,
        State.END,
    }
)


class StateTable(NamedTuple):
    """The transitions from one state, by delimiter, in the order in which they are tried.

    `on_text` is the transition for plain text, if any.
    """

    lexer: Lexer
    transitions: dict[str, list[tuple[Transition, ConditionMatcher | None]]]
    on_text: Transition | None


class FormatTables(dict[State, StateTable]):
    """The table of every state. Without `calls`, the markup of calls is text."""

    def __init__(self, format: Format, *, calls: bool) -> None:
        super().__init__()
        self._format = format
        self._calls = calls

    def __missing__(self, state: State) -> StateTable:
        table = self[state] = _state_table(self._format, state, calls=self._calls)
        return table


@lru_cache(maxsize=128)
def tables_of(format: Format, *, calls: bool) -> FormatTables:
    """Return the tables of a format, which all its parsers share."""
    return FormatTables(format, calls=calls)


def compile_format(format: Format) -> None:
    """Compile every state, so that no answer has to."""
    for calls in (True, False):
        tables = tables_of(format, calls=calls)
        for state in State:
            tables[state]


def _state_table(format: Format, state: State, *, calls: bool) -> StateTable:
    transitions = {
        delimiter: transition
        for (source, delimiter), transition in format.transitions.items()
        if source is state and (calls or transition.to in _OUTSIDE_CALLS or state not in _OUTSIDE_CALLS)
    }
    if state is not State.END:
        transitions = dict.fromkeys(format.stop_tokens, _STOP) | transitions
    on_text = Transition(NEXT_ON_TEXT[state]) if state in NEXT_ON_TEXT else None
    if on_text is not None:
        transitions.setdefault(ANY_TEXT, on_text)
    lexer = Lexer([delimiter for delimiter in transitions if delimiter], any_text=ANY_TEXT in transitions)
    compiled = {
        delimiter: [(each, _matcher(each, format)) for each in _alternatives(transition)]
        for delimiter, transition in transitions.items()
    }
    return StateTable(lexer, compiled, on_text)


def _alternatives(transition: Transition | None) -> Iterator[Transition]:
    while transition is not None:
        yield transition
        transition = transition.otherwise


def _matcher(transition: Transition, format: Format) -> ConditionMatcher | None:
    if transition.condition is None:
        return None
    tags = [
        delimiter
        for (source, delimiter), dropped in format.transitions.items()
        if source is dropped.to is State.BEFORE_NAME
    ]
    return ConditionMatcher(transition.condition, format.stop_tokens, tags)
