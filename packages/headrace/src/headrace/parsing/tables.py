"""A family's table, made ready to walk: for each mode its lexer, and where its markers lead."""

from functools import lru_cache
from typing import Final, NamedTuple

from headrace.formats import ANY_TEXT, TEXT_LEADS_TO, Format, Look, Mode, Step
from headrace.parsing.lexer import Lexer
from headrace.parsing.lookahead import Lookahead

__all__ = ["Table", "tables_of"]

_STOP: Final = Step(Mode.END, ((Look.SPACE, Look.END),))
_OUTSIDE_CALLS: Final = frozenset(
    {
        Mode.START,
        Mode.THINKING,
        Mode.REASONING,
        Mode.OPEN,
        Mode.CONTENT,
        Mode.HEADER,
        Mode.THINKING_HEADER,
        Mode.END,
    }
)


class Row(NamedTuple):
    """Where a marker leads, and on what condition."""

    step: Step
    guard: Lookahead | None


class Table(NamedTuple):
    """The rows of one mode. `otherwise` is where text leads that is no marker, if it leads anywhere."""

    lexer: Lexer
    rows: dict[str, Row]
    otherwise: Step | None


@lru_cache(maxsize=64)
def tables_of(format: Format, *, calls: bool) -> dict[Mode, Table]:
    """The tables of every mode. Without `calls` there is no tool to call, and their markup is text."""
    return {mode: _table(format, mode, calls=calls) for mode in Mode}


def _table(format: Format, mode: Mode, *, calls: bool) -> Table:
    steps = {
        marker: step
        for (where, marker), step in format.steps.items()
        if where is mode and (calls or step.to in _OUTSIDE_CALLS or mode not in _OUTSIDE_CALLS)
    }
    if mode is not Mode.END:
        steps = dict.fromkeys(format.stops, _STOP) | steps
    otherwise = Step(TEXT_LEADS_TO[mode]) if mode in TEXT_LEADS_TO else None
    if otherwise is not None:
        steps.setdefault(ANY_TEXT, otherwise)
    lexer = Lexer([marker for marker in steps if marker], any_text=ANY_TEXT in steps)
    rows = {
        marker: Row(step, Lookahead(step.guard, format.stops) if step.guard else None)
        for marker, step in steps.items()
    }
    return Table(lexer, rows, otherwise)
