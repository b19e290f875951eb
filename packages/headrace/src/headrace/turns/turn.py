"""A turn: one answer to one request, as this process sees it. The engine's listener, and the log's writer.

    new ──▶ PRODUCING ────────── fenced: another process took over ─────────▶ FOLLOWING
                │      ◀───────────── took over ─────────────────────────────    │
                │                                                                │
                └─ an ending is logged: the engine's, an error's, a requested ─▶ ENDED ◀─ it was copied ─┘
                                        one (DELETE, no readers, shutdown)
    every state ── close, or no reader here while another process produces ──▶ DETACHED

A producing turn logs what the engine emits in the same call stack. A following turn copies in a task what
another process saves, and takes over when that process is dead. An event is published when it is saved.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum, auto
from functools import cached_property
from typing import Final

from headrace.engines.base import Run
from headrace.errors import EngineError, HeadraceError
from headrace.events import CANCELLED, Event
from headrace.turns.continuation import start_durably
from headrace.turns.follower import Follower, error_of
from headrace.turns.linger import OrphanTimer
from headrace.turns.log import Logged, LogReader, MemoryLog
from headrace.turns.outcome import (
    DELETED,
    DISCONNECTED,
    KILLED_ITS_SERVERS,
    OVERSIZED,
    SHUTDOWN,
    CancelledBy,
    RequestedEnd,
    TurnOutcome,
    TurnRecord,
    received_finish,
)
from headrace.turns.plan import Plan
from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, Tail, TurnHeader, TurnStore
from headrace.turns.writer import Writer
from headrace.wire import ChatRequest

__all__ = ["Turn"]

_LOGGER = logging.getLogger("headrace.turns")
_FIRST_FENCE: Final = 1


class _State(Enum):
    PRODUCING = auto()
    FOLLOWING = auto()
    ENDED = auto()
    DETACHED = auto()


class Turn:
    """A turn in one event loop. `produce` or `follow` starts it.

    Args:
        header: its metadata.
        request: the request to answer.
        planner: plans how to serve the request, after the death of another producer.
        settings: timeouts, and what to do if the store fails.
        store: where the log is saved. None: nowhere; the turn is cancelled when its last reader detaches.
        on_released: called when this process no longer needs to know the turn.
        on_finished: called with the outcome, if this process produced the ending.
    """

    def __init__(
        self,
        header: TurnHeader,
        request: ChatRequest,
        planner: Callable[[], Plan],
        settings: TurnSettings,
        *,
        store: TurnStore | None = None,
        on_released: Callable[["Turn"], None] = lambda _: None,
        on_finished: Callable[[TurnOutcome], None] = lambda _: None,
    ) -> None:
        self.id = header.id
        self.created = header.created
        self.header = header
        self.request = request
        self.log = MemoryLog(on_end=self._on_log_end, on_orphaned=self._watch_readers)
        self.log.is_saved = store is not None
        self._planner = planner
        self._settings = settings
        self._store = store
        self._on_released = on_released
        self._on_finished = on_finished
        self._record = TurnRecord()
        self._state = _State.PRODUCING
        self._run: Run | None = None  # until the engine has stopped
        self._writer: Writer | None = None
        self._follower = Follower(store, self.id, self.log, settings, planner) if store else None
        self._task: asyncio.Task[bool] | None = None  # follows
        self._requested_end: RequestedEnd | None = None
        self._has_produced_ending = False
        self._detach_timer: asyncio.TimerHandle | None = None
        self._orphan_timer = OrphanTimer(store, self.id, settings) if store else None

    @cached_property
    def plan(self) -> Plan:
        """How this process serves the request. Raises `HeadraceError` if it cannot."""
        return self._planner()

    @property
    def is_detached(self) -> bool:
        """Whether this process has nothing more to do with the turn."""
        return self._state is _State.DETACHED

    @property
    def max_delay(self) -> float:
        """Seconds until this process has what another one has sent, even if that one dies meanwhile."""
        return 2 * self._settings.lease if self._store and self._store.outlives_process else 0.0

    def produce(self, plan: Plan) -> None:
        """Start as the producer."""
        self.plan = plan
        if self._store is not None:
            self._become_producer(_FIRST_FENCE)
        self._start_engine()
        if self._store is not None:
            self._watch_readers()

    def follow(self, tail: Tail) -> None:
        """Start from the stored log; then follow or take over."""
        assert self._follower is not None
        self._record.began -= max(time.time() - self.created, 0.0)  # another process created it
        self._state = _State.FOLLOWING
        self._follower.apply(tail)
        if not self.log.is_finished:
            self._watch_readers()
            self._start_following()

    def reader(self, on_news: Callable[[], object] = lambda: None) -> LogReader:
        """Attach a reader at the beginning of the log, and stop the timers."""
        self._cancel_timers()
        return self.log.reader(on_news)

    def pause(self) -> None:
        """Pause the engine: a reader is slow, and the turn is not resumable."""
        if self._store is None and self._run is not None:
            self._run.pause()

    def resume(self) -> None:
        """Resume the engine after `pause`."""
        if self._run is not None:
            self._run.resume()

    async def catch_up(self) -> None:
        """Copy everything that another process has published so far, and let it know of a reader here.

        Raises:
            StoreError: the store is unavailable.
            GoneError: the log was evicted.
        """
        if self._state is _State.FOLLOWING and self._follower is not None:
            await self._follower.catch_up(is_reader=not self.header.detached)

    def stop(self, end: RequestedEnd = DELETED) -> None:
        """Cancel the turn for its owner, whichever process produces it. The ending follows a little later."""
        self._request_end(end)

    def check_fence(self) -> None:
        """Detect a takeover even while the engine is silent."""
        if self._state is _State.PRODUCING and self._writer is not None:
            self._writer.check_fence()

    async def close(self, save_timeout: float) -> None:
        """Save what was generated, and detach. Log an ending only if no other process can continue."""
        self._cancel_timers()
        if self._state is _State.PRODUCING and not (self._store and self._store.outlives_process):
            self._request_end(SHUTDOWN)
        self._state = _State.DETACHED
        if self._run is not None:
            self._run.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._writer is not None:
            await self._writer.close(save_timeout)

    # --- PRODUCING: the engine's listener ---------------------------------------------------------------

    def on_events(self, events: list[Event]) -> None:
        """Log what the engine emits."""
        log = self.log
        if self._state is not _State.PRODUCING or log.has_ending:
            return
        is_first = not log.count
        self._write(events)
        if is_first and log.count:
            self._record.first_token()
        if log.size > self._settings.max_answer_size:
            self._request_end(OVERSIZED)

    def on_end(self, error: HeadraceError | None) -> None:
        """The engine has stopped: log an ending, unless there is one."""
        self._run = None
        self._record.engine_stopped()
        if self.log.has_ending:
            self._report_if_over()
        elif self._state is _State.PRODUCING:
            if self._record.is_stopping:  # for an earlier fence; this one has taken over meanwhile
                self._start_engine()
            else:
                self._end(error or EngineError("the engine stopped without an ending"))

    def _start_engine(self) -> None:
        if self._run is not None:
            return  # it is still stopping; `on_end` starts it again
        self._record.engine_started()
        try:
            if self._store is None:
                self._run = self.plan.engine.start(self.plan.generation, self)
            else:
                needs_ids = self._store.outlives_process
                self._run = start_durably(self.plan, self.id, self.log, self, needs_token_ids=needs_ids)
        except HeadraceError as error:
            self._end(error)

    def _write(self, events: Sequence[Logged]) -> None:
        if self._writer is not None:
            self._writer.write(events)
        else:
            self.log.append(events)
            self.log.publish()

    def _request_end(self, end: RequestedEnd) -> None:
        """End the turn without waiting for the engine; a follower takes over first."""
        if self.log.has_ending or self._state in (_State.ENDED, _State.DETACHED):
            return
        self._requested_end = end
        if self._state is _State.PRODUCING:
            self._end(None)
            self._stop_engine()
        elif self._task is not None:
            self._task.cancel()  # and follows again, to take over: `_after_following`

    def _end(self, error: HeadraceError | None) -> None:
        """Log the requested ending, or else one for the error."""
        if (end := self._requested_end) is not None:
            self._record.cancelled_by = end.by
            self._write([self.log.finish(end.reason, end.error)])
        elif error is not None:
            self._write([self.log.ending(error)])

    def _stop_engine(self) -> None:
        if self._run is not None:
            self._record.stop_requested()
            self._run.stop()

    # --- PRODUCING: the store ---------------------------------------------------------------------------

    def _become_producer(self, fence: int) -> None:
        assert self._store is not None
        self._state = _State.PRODUCING
        self._writer = Writer(
            self._store,
            self.id,
            fence,
            self.log,
            on_fenced=self._on_fenced,
            on_failure=self._on_store_failure,
            on_settled=self._on_settled,
        )

    def _on_fenced(self) -> None:
        """Follow the process that has taken over."""
        assert self._writer is not None
        assert self._follower is not None
        self._follower.cursor = self._writer.cursor
        self._writer = None
        self.log.drop_unpublished()
        self._stop_engine()
        if self._state is _State.DETACHED:
            return
        if self.log.is_finished:
            self._release()
            return
        self._state = _State.FOLLOWING
        if self._requested_end and self._requested_end.reason != CANCELLED:
            self._requested_end = None  # only the producer's own
        self._start_following()
        self._watch_readers()

    def _on_store_failure(self, error: StoreError | GoneError) -> None:
        """Continue without the store, or end the turn, as `on_store_error` requires."""
        _LOGGER.error("turn %s is no longer saved: %s", self.id, error.message)
        if self._settings.on_store_error == "fail":
            self._request_end(RequestedEnd("network_error", error.public))

    def _on_settled(self) -> None:
        if self.log.is_finished:
            self._release()

    # --- FOLLOWING --------------------------------------------------------------------------------------

    def _start_following(self) -> None:
        assert self._follower is not None
        self._follower.is_forced = self._requested_end is not None
        self._task = asyncio.create_task(self._follower.run(), name=f"turn {self.id}")
        # Not at the end of `run`: a task that is cancelled before its first step never gets there.
        self._task.add_done_callback(self._after_following)

    def _after_following(self, task: asyncio.Task[bool]) -> None:
        self._task = None
        assert self._follower is not None
        if self._state is not _State.FOLLOWING or self.log.is_finished:
            return
        error = error_of(task, self.id)
        if error is None and task.result():
            self._become_producer(self._follower.cursor.fence)
            if self._follower.is_deadly and not self._requested_end:
                self._requested_end = KILLED_ITS_SERVERS
            if self._requested_end:
                self._end(None)
            else:
                self._start_engine()
                self._watch_readers()
        elif self._requested_end and not isinstance(error, StoreError | GoneError):
            self._start_following()  # takes over to log the requested ending
        else:
            self.log.is_saved = False
            self._end(error or EngineError("the turn was lost"))

    def _detach(self) -> None:
        """Stop following a turn that has no reader in this process; its producer continues."""
        assert self._follower is not None
        # A takeover must not be left half done: no other process would produce the turn.
        if self._requested_end or self._follower.is_taking_over:
            self._watch_readers()
            return
        self._state = _State.DETACHED
        self.log.unwatch()
        if self._task is not None:
            self._task.cancel()
        self._on_released(self)

    # --- readers ----------------------------------------------------------------------------------------

    def _watch_readers(self) -> None:
        """Start the timer that ends a turn without readers, or detaches from it."""
        self._cancel_timers()
        if not self.log.is_orphaned or self.log.is_finished or self._state is _State.DETACHED:
            return
        if self._orphan_timer is None:
            self._request_end(DISCONNECTED)
        elif self._state is _State.FOLLOWING:
            loop = asyncio.get_running_loop()
            self._detach_timer = loop.call_later(self._settings.lease, self._detach)
        elif not self.header.detached:
            self._orphan_timer.start(self._on_orphaned)

    def _on_orphaned(self) -> None:
        if self.log.is_orphaned and self._state is _State.PRODUCING:
            error = f"no reader for {self._settings.linger:g} s"
            self._request_end(RequestedEnd("network_error", error, CancelledBy.ORPHANED))

    def _cancel_timers(self) -> None:
        if self._detach_timer is not None:
            self._detach_timer.cancel()
            self._detach_timer = None  # it refers to this turn, which should not wait for a collection
        if self._orphan_timer is not None:
            self._orphan_timer.cancel()

    # --- ENDED ------------------------------------------------------------------------------------------

    def _on_log_end(self) -> None:
        self._cancel_timers()
        self._has_produced_ending = self._state is _State.PRODUCING
        self._state = _State.ENDED
        self._release()
        self._report_if_over()

    def _release(self) -> None:
        """Let the registry forget the turn, unless only this process has its ending."""
        if self._writer is None or not self._writer.has_backlog:
            self._writer = None
            self._on_released(self)

    def _report_if_over(self) -> None:
        """Report the outcome once the ending is readable and the engine has stopped."""
        if self._has_produced_ending and self._run is None:
            self._has_produced_ending = False
            asyncio.get_running_loop().call_soon(self._report_outcome)

    def _report_outcome(self) -> None:
        plan = None
        with suppress(HeadraceError):  # a turn taken over only to be ended may be impossible to plan here
            plan = self.plan
        model = plan.model if plan else self.request.model
        finish = received_finish(self.log, plan)
        self._on_finished(self._record.outcome(self.header, model, finish))
