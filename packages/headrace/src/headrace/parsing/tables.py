"""A family's table, made ready to walk: for each state its lexer, and where its delimiters lead."""

from functools import lru_cache
from typing import Final, NamedTuple

from headrace.formats import ANY_TEXT, TEXT_LEADS_TO, Format, Lookahead, State, Transition
from headrace.parsing.condition import ConditionMatcher
from headrace.parsing.lexer import Lexer

__all__ = ["Table", "tables_of"]

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


class Row(NamedTuple):
    """Where a delimiter leads, and on what condition."""

    transition: Transition
    condition: ConditionMatcher | None


class Table(NamedTuple):
    """The rows of one state. `otherwise` is where text leads that is no delimiter, if it leads anywhere."""

    lexer: Lexer
    rows: dict[str, Row]
    otherwise: Transition | None


@lru_cache(maxsize=64)
def tables_of(format: Format, *, calls: bool) -> dict[State, Table]:
    """The tables of every state. Without `calls` there is no tool to call, and their markup is text."""
    return {state: _table(format, state, calls=calls) for state in State}


def _table(format: Format, state: State, *, calls: bool) -> Table:
    transitions = {
        delimiter: transition
        for (where, delimiter), transition in format.transitions.items()
        if where is state and (calls or transition.to in _OUTSIDE_CALLS or state not in _OUTSIDE_CALLS)
    }
    if state is not State.END:
        transitions = dict.fromkeys(format.stops, _STOP) | transitions
    otherwise = Transition(TEXT_LEADS_TO[state]) if state in TEXT_LEADS_TO else None
    if otherwise is not None:
        transitions.setdefault(ANY_TEXT, otherwise)
    lexer = Lexer([delimiter for delimiter in transitions if delimiter], any_text=ANY_TEXT in transitions)
    rows = {
        delimiter: Row(
            transition, ConditionMatcher(transition.condition, format.stops) if transition.condition else None
        )
        for delimiter, transition in transitions.items()
    }
    return Table(lexer, rows, otherwise)
