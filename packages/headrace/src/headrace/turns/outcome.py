"""The outcome of a turn: how it ended, for metrics, logs and billing.

The process that produced the ending builds the outcome, once; followers do not. A turn that another process
took over therefore has one outcome across all servers. If the store fails for longer than its retry timeout,
two processes may each end the turn, and each reports its own ending.
"""

import enum
import logging
import time
from typing import Final, NamedTuple, Protocol

import msgspec

from headrace.events import CANCELLED, Finish, TokenUsage
from headrace.turns.interpreter import interpret_finish
from headrace.turns.log import Failure, MemoryLog
from headrace.turns.plan import Plan
from headrace.turns.store import TurnHeader
from headrace.turns.takeover import DEADLY

__all__ = [
    "DELETED",
    "DISCONNECTED",
    "KILLED_ITS_SERVERS",
    "OVERSIZED",
    "SHUTDOWN",
    "CancelledBy",
    "OutcomeLogger",
    "RequestedEnd",
    "TurnObserver",
    "TurnOutcome",
    "TurnRecord",
    "received_finish",
]

_LOGGER = logging.getLogger("headrace.turns")


class CancelledBy(enum.Enum):
    """The cause of a cancellation."""

    DISCONNECT = "client_disconnect"
    DELETE = "delete"
    ORPHANED = "orphaned"
    """No reader for `linger` seconds."""
    SHUTDOWN = "shutdown"
    """The server has shut down, and no other process can continue the turn."""


class RequestedEnd(NamedTuple):
    """An ending that is not the engine's."""

    reason: str
    error: str = ""
    by: CancelledBy | None = None


KILLED_ITS_SERVERS: Final = RequestedEnd("network_error", DEADLY)
DELETED: Final = RequestedEnd(CANCELLED, by=CancelledBy.DELETE)
DISCONNECTED: Final = RequestedEnd("network_error", "the client disconnected", CancelledBy.DISCONNECT)
OVERSIZED: Final = RequestedEnd("network_error", "the answer is larger than this server's max_answer_size")
SHUTDOWN: Final = RequestedEnd("network_error", "the server is shutting down", CancelledBy.SHUTDOWN)


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
        cause = f", cancelled by {outcome.cancelled_by.value}" if outcome.cancelled_by else ""
        cause += f", {outcome.error}" if outcome.error else ""
        tokens = (outcome.usage.prompt, outcome.usage.completion)
        values = (outcome.id, outcome.model, outcome.finish_reason, *tokens, outcome.seconds, cause)
        _LOGGER.info("turn %s: %s, %s, %d prompt tokens, %d completion tokens, %.3f s%s", *values)


class TurnRecord:
    """What the outcome of a running turn needs besides its log: times, and who cancelled it."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.cancelled_by: CancelledBy | None = None
        self.first_token_seconds: float | None = None
        self._stop_requested = 0.0
        self._stop_seconds: float | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether the engine was requested to stop."""
        return bool(self._stop_requested)

    def first_token(self) -> None:
        self.first_token_seconds = time.monotonic() - self.began

    def stop_requested(self) -> None:
        self._stop_requested = self._stop_requested or time.monotonic()

    def engine_started(self) -> None:
        self._stop_requested = 0.0

    def engine_stopped(self) -> None:
        if self._stop_requested:
            self._stop_seconds = time.monotonic() - self._stop_requested

    def outcome(self, header: TurnHeader, model: str, finish: Finish) -> TurnOutcome:
        return TurnOutcome(
            id=header.id,
            owner=header.owner,
            model=model,
            finish_reason=finish.reason,
            usage=finish.usage,
            error=finish.error,
            seconds=time.monotonic() - self.began,
            first_token_seconds=self.first_token_seconds,
            cancelled_by=self.cancelled_by,
            stop_seconds=self._stop_seconds if self.cancelled_by else None,
        )


def received_finish(log: MemoryLog, plan: Plan | None) -> Finish:
    """Return the `Finish` that clients receive from a complete log; without a plan, by its ending only."""
    ending = log.last
    if isinstance(ending, Failure):
        return Finish("error", error=ending.message)
    assert isinstance(ending, Finish)
    if log.received is not None:
        return log.received
    if plan is None:
        return Finish("stop", ending.usage) if ending.reason == CANCELLED else ending
    events = [event for event in log.events if not isinstance(event, Failure)]
    return interpret_finish(events, plan.new_interpreter)
