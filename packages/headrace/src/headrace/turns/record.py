"""What the outcome of a running turn needs besides its log: times, and how the turn was ended."""

import time
from collections.abc import Callable
from time import monotonic

from headrace.errors import HeadraceError
from headrace.events import CANCELLED, Finish, Progress
from headrace.turns.entries import Failure
from headrace.turns.interpreter import interpret_finish
from headrace.turns.intervals import Intervals
from headrace.turns.log import MemoryLog
from headrace.turns.outcome import OutcomeKind, TurnOutcome, kind_of, kind_of_reason
from headrace.turns.plan import Plan
from headrace.turns.store import TurnHeader

__all__ = ["TurnRecord"]


class TurnRecord:
    """Notes what happens to a turn, and reports its outcome once.

    Args:
        header: of the turn.
        on_finished: called with the outcome.
    """

    def __init__(self, header: TurnHeader, on_finished: Callable[[TurnOutcome], None]) -> None:
        self.was_taken_over = False
        """Whether this process has continued the answer of another one."""
        self.intervals = Intervals()
        """Those between the deltas that were generated here."""
        self._header = header
        self._on_finished = on_finished
        self._began = monotonic()
        self._kind: OutcomeKind | None = None  # unless the engine ends the answer
        self._code = ""
        self._queue_seconds = 0.0
        self._queued_since: float | None = None
        self._first_token_seconds: float | None = None
        self._stop_requested = 0.0
        self._stop_seconds: float | None = None

    @property
    def is_stopping(self) -> bool:
        """Whether the engine was requested to stop."""
        return bool(self._stop_requested)

    def followed(self) -> None:
        """Note that another process has created the turn."""
        self._began -= max(time.time() - self._header.created, 0.0)

    def progressed(self, progress: Progress | None) -> None:
        """Note whether the engine waits in a queue."""
        if progress is not None and progress.queued:
            self._queued_since = self._queued_since or monotonic()
        elif self._queued_since:
            self._queue_seconds += monotonic() - self._queued_since
            self._queued_since = None

    def first_delta(self) -> None:
        """Note the first delta of the answer."""
        now = monotonic()
        self._first_token_seconds = now - self._began
        self.intervals.start(now)

    def engine_started(self, position: int) -> None:
        """Note that an engine generates what follows the first `position` events."""
        self._stop_requested = 0.0
        self._kind, self._code = None, ""
        if position:
            self.intervals.start(monotonic())

    def stop_requested(self) -> None:
        self._stop_requested = self._stop_requested or monotonic()

    def engine_stopped(self) -> None:
        self.progressed(None)
        if self._stop_requested:
            self._stop_seconds = monotonic() - self._stop_requested

    def ended(self, kind: OutcomeKind) -> None:
        """Note that the turn was ended on request."""
        self._kind = kind

    def failed(self, error: HeadraceError) -> None:
        """Note why the turn was ended."""
        self._kind, self._code = kind_of(error), error.code

    def report(self, log: MemoryLog, get_plan: Callable[[], Plan]) -> None:
        """Report the outcome of a complete log."""
        try:
            plan = get_plan()
        except HeadraceError:  # a turn taken over only to be ended may be impossible to plan here
            plan = None
        finish = _received_finish(log, plan)
        kind = self._kind or kind_of_reason("network_error" if finish.error else finish.reason)
        self._on_finished(
            TurnOutcome(
                id=self._header.id,
                owner=self._header.owner,
                model=plan.model if plan else "",
                kind=kind,
                finish_reason=finish.reason,
                usage=finish.usage,
                error=finish.error,
                code=self._code,
                seconds=monotonic() - self._began,
                first_token_seconds=self._first_token_seconds,
                queue_seconds=self._queue_seconds,
                intervals=self.intervals,
                was_taken_over=self.was_taken_over,
                stop_seconds=self._stop_seconds if kind.is_cancellation else None,
            )
        )


def _received_finish(log: MemoryLog, plan: Plan | None) -> Finish:
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
