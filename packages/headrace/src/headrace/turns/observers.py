"""Receivers of what this process does with a turn: metrics, limits, the log, traces."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from headrace.trace_context import TraceContext
from headrace.turns.log import MemoryLog
from headrace.turns.outcome import TurnObserver, TurnOutcome
from headrace.turns.plan import Plan
from headrace.turns.store import TurnHeader
from headrace.wire import ChatRequest

__all__ = ["HANDED_OVER", "Observers", "ProducedTurn", "ProducerObserver"]

_LOGGER: Final = logging.getLogger("headrace.turns")

HANDED_OVER: Final = "handed_over"
"""The outcome of a turn in a process that no longer produces it; another one reports how it ends."""


class ProducedTurn(Protocol):
    """A turn as its observers see it."""

    id: str
    header: TurnHeader
    request: ChatRequest
    log: MemoryLog
    trace: TraceContext | None
    """The span that the engine's requests belong to; until an observer changes it, the client's."""

    @property
    def plan(self) -> Plan:
        """How this process serves the request. Raises `HeadraceError` if it cannot."""
        ...


class ProducerObserver(TurnObserver, Protocol):
    """A receiver of what this process produces, from the start to the outcome.

    Each `started` is followed by either `finished` or `left`.
    """

    def started(self, turn: ProducedTurn, fence: int, previous: int) -> None:
        """Handle that this process has become the producer.

        Args:
            turn: to produce.
            fence: of this process.
            previous: the fence of the producer before; 0 if this process has created the turn.
        """
        ...

    def left(self, turn: ProducedTurn) -> None:
        """Handle that another process may produce the turn from now on."""
        ...


class Observers:
    """Several observers as one.

    Args:
        observers: receive outcomes.
        of_producer: receive starts as well.
    """

    def __init__(
        self, observers: Sequence[TurnObserver] = (), of_producer: Sequence[ProducerObserver] = ()
    ) -> None:
        self._started = [observer.started for observer in of_producer]
        self._left = [observer.left for observer in of_producer]
        self._finished = [observer.finished for observer in (*observers, *of_producer)]

    def started(self, turn: ProducedTurn, fence: int, previous: int) -> None:
        _tell(turn.id, self._started, turn, fence, previous)

    def left(self, turn: ProducedTurn) -> None:
        _tell(turn.id, self._left, turn)

    def finished(self, outcome: TurnOutcome) -> None:
        _tell(outcome.id, self._finished, outcome)


def _tell(turn: str, observers: Iterable[Callable[..., None]], *what: object) -> None:
    """Call observers; an error in one affects neither the turn nor the others."""
    for receive in observers:
        try:
            receive(*what)
        except Exception:
            _LOGGER.exception("cannot report what happens to a turn", extra={"turn": turn})
