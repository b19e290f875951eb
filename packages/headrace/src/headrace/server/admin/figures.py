"""Figures of ended turns, by minute, model and API key: the last hour, in bounded memory."""

import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from headrace.turns import TurnOutcome

__all__ = ["MINUTES", "Figures", "Hour", "Row", "added"]

MINUTES: Final = 60
"""That are kept, the current one included."""

_OTHER: Final = "other"
_MAX_ROWS: Final = 200  # in a minute; further keys and models share one


class Figures(msgspec.Struct):
    """Sums over turns.

    Args:
        turns: that have ended.
        failed: of these, because of a fault, of whomever.
        cancelled: of these, by their clients or at a shutdown.
        prompt: tokens.
        completion: tokens.
        answered: turns that had a first token here, and have succeeded.
        first_token_seconds: of those.
        stall_seconds: the longest interval between two deltas, of all turns.
    """

    turns: int = 0
    failed: int = 0
    cancelled: int = 0
    prompt: int = 0
    completion: int = 0
    answered: int = 0
    first_token_seconds: float = 0.0
    stall_seconds: float = 0.0

    def count(self, outcome: TurnOutcome) -> None:
        """Add a turn."""
        kind, usage, stall = outcome.kind, outcome.usage, outcome.intervals.longest
        self.turns += 1
        self.prompt += usage.prompt
        self.completion += usage.completion
        self.stall_seconds = max(self.stall_seconds, stall)
        if kind.is_cancellation:
            self.cancelled += 1
        elif not kind.is_success:
            self.failed += 1
        elif outcome.first_token_seconds is not None:
            self.answered += 1
            self.first_token_seconds += outcome.first_token_seconds

    def add(self, other: "Figures") -> None:
        """Add other figures to these."""
        self.turns += other.turns
        self.failed += other.failed
        self.cancelled += other.cancelled
        self.prompt += other.prompt
        self.completion += other.completion
        self.answered += other.answered
        self.first_token_seconds += other.first_token_seconds
        self.stall_seconds = max(self.stall_seconds, other.stall_seconds)


class Row(msgspec.Struct, frozen=True):
    """The figures of a minute for a model and a key.

    Args:
        minute: since 1970.
        model: its canonical name.
        key: the id of the API key; "" without one.
        figures: the sums.
    """

    minute: int
    model: str
    key: str
    figures: Figures


class Hour:
    """The figures of the last hour.

    Args:
        rows: to begin with, those of the predecessor of this process.
        now: seconds since 1970.
    """

    def __init__(self, rows: Iterable[Row] = (), now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._minutes: dict[int, dict[tuple[str, str], Row]] = {}
        for row in rows:
            self._minutes.setdefault(row.minute, {})[row.model, row.key] = row

    def finished(self, outcome: TurnOutcome) -> None:
        """Observe a turn."""
        minute = int(self._now() // 60)
        rows = self._minutes.get(minute)
        if rows is None:
            rows = self._minutes[minute] = {}
            self._forget(minute)
        name = outcome.model or _OTHER, outcome.owner
        (rows.get(name) or _add_row(rows, minute, name)).figures.count(outcome)

    def rows(self) -> list[Row]:
        """Return the rows of the last hour."""
        self._forget(int(self._now() // 60))
        return [row for rows in self._minutes.values() for row in rows.values()]

    def _forget(self, now: int) -> None:
        for minute in [minute for minute in self._minutes if minute <= now - MINUTES]:
            del self._minutes[minute]


def _add_row(rows: dict[tuple[str, str], Row], minute: int, name: tuple[str, str]) -> Row:
    """Return the row of a model and a key that have none: a new one, unless there are too many."""
    if len(rows) >= _MAX_ROWS:
        name = _OTHER, _OTHER
    return rows.get(name) or rows.setdefault(name, Row(minute, *name, Figures()))


def added(figures: Iterable[Figures]) -> Figures:
    """Return the sum."""
    total = Figures()
    for each in figures:
        total.add(each)
    return total
