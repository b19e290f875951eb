"""The outcome of a turn: how it ended, for metrics, logs and billing.

The process that produced the ending builds the outcome, once; followers do not. A turn that another process
took over therefore has one outcome across all servers. If the store fails for longer than its retry timeout,
two processes may each end the turn, and each reports its own ending.
"""

import enum
import logging
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from headrace.events import CANCELLED, Finish, TokenUsage
from headrace.turns.interpreter import interpret_finish
from headrace.turns.log import Failure, Logged
from headrace.turns.plan import Plan
from headrace.turns.store import TurnHeader

__all__ = ["CancelledBy", "OutcomeLogger", "TurnObserver", "TurnOutcome", "TurnRecord"]

_LOGGER = logging.getLogger("headrace.turns")


class CancelledBy(enum.Enum):
    """The cause of a cancellation."""

    DISCONNECT = "client_disconnect"
    DELETE = "delete"
    ORPHANED = "orphaned"
    """No reader for `linger` seconds."""
    SHUTDOWN = "shutdown"
    """The server has shut down, and no other process can continue the turn."""


class TurnOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended.

    Args:
        id: of the turn.
        owner: id of the caller's API key; "" if the server has no keys.
        model: the model's canonical name.
        finish_reason: as the client receives it; `error` if the response was an error instead of an answer.
        usage: tokens, including reasoning tokens.
        error: why the turn failed; "" if it did not.
        seconds: from the creation of the turn until its ending was readable.
        first_token_seconds: until the first event of the answer; None if there is none, or if another process
            produced it.
        cancelled_by: who cancelled the turn; None if it ended by itself.
        stop_seconds: how long the engine took to stop after the cancellation; None if no engine was stopped
            here.
    """

    id: str
    owner: str
    model: str
    finish_reason: str
    usage: TokenUsage
    error: str
    seconds: float
    first_token_seconds: float | None
    cancelled_by: CancelledBy | None
    stop_seconds: float | None


class TurnObserver(Protocol):
    """A receiver of outcomes."""

    def finished(self, outcome: TurnOutcome) -> None:
        """Handle the outcome of a turn. Called in the event loop, so it must not block."""
        ...


class OutcomeLogger:
    """An observer that logs a line per turn, at level INFO."""

    def finished(self, outcome: TurnOutcome) -> None:
        """Log the outcome."""
        cancelled = f", cancelled by {outcome.cancelled_by.value}" if outcome.cancelled_by else ""
        _LOGGER.info(
            "turn %s: %s, %s%s, %d prompt tokens, %d completion tokens, %.3f s%s",
            outcome.id,
            outcome.model,
            outcome.finish_reason,
            cancelled,
            outcome.usage.prompt,
            outcome.usage.completion,
            outcome.seconds,
            f", {outcome.error}" if outcome.error else "",
        )


class TurnRecord:
    """The facts about a running turn that its outcome needs, beside its log.

    Args:
        header: of the turn.
        model: the model as requested, in case no plan says its canonical name.
    """

    def __init__(self, header: TurnHeader, model: str) -> None:
        self.cancelled_by: CancelledBy | None = None
        self.first_token_seconds: float | None = None
        self._header = header
        self._model = model
        self._began = time.monotonic()
        self._stop_requested = 0.0
        self._stop_seconds: float | None = None

    def date_back(self) -> None:
        """Count from the creation of the turn, by another process or before a restart."""
        self._began -= max(time.time() - self._header.created, 0.0)

    def first_token(self) -> None:
        """Record the time of the first event of the answer."""
        self.first_token_seconds = time.monotonic() - self._began

    def stop_requested(self) -> None:
        """Record the time at which the engine is requested to stop."""
        self._stop_requested = self._stop_requested or time.monotonic()

    def engine_stopped(self) -> None:
        """Record the time that the engine took to stop, if it was requested to."""
        if self._stop_requested:
            self._stop_seconds = time.monotonic() - self._stop_requested

    def outcome(self, log: Sequence[Logged], plan: Plan | None) -> TurnOutcome:
        """Build the outcome from the complete log; without a plan, its text cannot be interpreted."""
        finish = _finish_of(log, plan)
        return TurnOutcome(
            id=self._header.id,
            owner=self._header.owner,
            model=plan.model if plan else self._model,
            finish_reason=finish.reason,
            usage=finish.usage,
            error=finish.error,
            seconds=time.monotonic() - self._began,
            first_token_seconds=self.first_token_seconds,
            cancelled_by=self.cancelled_by,
            stop_seconds=self._stop_seconds if self.cancelled_by else None,
        )


def _finish_of(log: Sequence[Logged], plan: Plan | None) -> Finish:
    ending = log[-1]
    if isinstance(ending, Failure):
        return Finish("error", error=ending.message)
    assert isinstance(ending, Finish)
    if plan is None:
        return Finish("stop", ending.usage) if ending.reason == CANCELLED else ending
    return interpret_finish([event for event in log if not isinstance(event, Failure)], plan.new_interpreter)
