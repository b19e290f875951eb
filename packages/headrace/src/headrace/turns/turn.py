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
from collections.abc import Callable, Sequence
from enum import Enum, auto
from time import monotonic

import msgspec

from headrace.engines.base import Run
from headrace.engines.defects import ReportingErrors
from headrace.errors import EngineError, HeadraceError, IncompleteError
from headrace.events import CANCELLED, Event
from headrace.turns.continuation import start_durably
from headrace.turns.entries import Logged
from headrace.turns.follower import Follower, error_of
from headrace.turns.linger import OrphanTimer
from headrace.turns.log import LogReader, MemoryLog
from headrace.turns.observers import Observers, ProducerObserver
from headrace.turns.plan import Plan
from headrace.turns.record import TurnRecord
from headrace.turns.requested_end import (
    DELETED,
    DISCONNECTED,
    KILLED_ITS_SERVERS,
    SHUTDOWN,
    RequestedEnd,
    orphaned,
    oversized,
    unsaved,
)
from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, Tail, TurnHeader, TurnStore
from headrace.turns.writer import Writer
from headrace.wire import ChatRequest

__all__ = ["Turn"]

_LOGGER = logging.getLogger("headrace.turns")


class _State(Enum):
    PRODUCING = auto()
    FOLLOWING = auto()
    ENDED = auto()
    DETACHED = auto()


_PRODUCING, _FOLLOWING, _ENDED, _DETACHED = _State  # Python 3.11 takes long to find a member


class Turn:
    """A turn in one event loop. `produce` or `follow` starts it.

    Args:
        header: its metadata.
        request: the request to answer.
        planner: plans how to serve the request, after the death of another producer.
        settings: timeouts, and what to do if the store fails.
        store: where the log is saved. None: nowhere; the turn is cancelled when its last reader detaches.
        on_released: called when this process no longer needs to know the turn.
        observer: learns when this process has become the producer, and how that ended.
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
        observer: ProducerObserver = Observers(),  # noqa: B008 - it has no state
    ) -> None:
        self.id = header.id
        self.header = header
        self.request = request
        self.log = MemoryLog(on_end=self._on_log_end, on_orphaned=self._watch_readers)
        self.log.is_saved = store is not None
        self.trace = header.trace
        self._planner = planner
        self._plan: Plan | None = None  # until it is needed
        self._settings = settings
        self.store = store
        self._on_released = on_released
        self._observer = observer
        self._record = TurnRecord(header, observer.finished)
        self._state = _PRODUCING
        self._run: Run | None = None  # until the engine has stopped
        self._writer: Writer | None = None
        self._write: Callable[[Sequence[Logged]], None] = self.log.write  # or the writer's
        self._follower = Follower(store, self.id, self.log, settings, planner) if store else None
        self._task: asyncio.Task[bool] | None = None  # follows
        self._requested_end: RequestedEnd | None = None
        self._has_produced_ending = False
        self._orphan_timer = OrphanTimer(store, header, settings) if store else None

    @property
    def plan(self) -> Plan:
        """How this process serves the request. Raises `HeadraceError` if it cannot."""
        self._plan = plan = self._plan or self._planner()
        return plan

    @property
    def is_detached(self) -> bool:
        """Whether this process has nothing more to do with the turn."""
        return self._state is _DETACHED

    @property
    def is_shared(self) -> bool:
        """Whether other processes can follow and continue it."""
        return self.store is not None and self.store.outlives_process

    @property
    def max_delay(self) -> float:
        """Seconds until this process has what another one has sent, even if that one dies meanwhile."""
        return 2 * self._settings.lease if self.is_shared else 0.0

    def produce(self, plan: Plan) -> None:
        """Start as the producer."""
        self._plan = plan
        self._become_producer(fence=1)
        self._start_engine()
        if self.store is not None:
            self._watch_readers()

    def follow(self, tail: Tail) -> None:
        """Start from the stored log; then follow or take over."""
        assert self._follower is not None
        self._record.followed()
        self._state = _FOLLOWING
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
        if self.store is None and self._run is not None:
            self._run.pause()

    def resume(self) -> None:
        """Resume the engine after `pause`."""
        if self._run is not None:
            self._run.resume()
            self._record.intervals.start(monotonic())  # the silence until now was the client's

    async def catch_up(self) -> None:
        """Copy everything that another process has published so far, and let it know of a reader here.

        Raises:
            StoreError: the store is unavailable.
            GoneError: the log was evicted.
        """
        if self._state is _FOLLOWING and self._follower is not None:
            await self._follower.catch_up(is_reader=not self.header.detached)

    def stop(self, end: RequestedEnd = DELETED) -> None:
        """End the turn for its owner without waiting for the engine; a follower takes over first."""
        if self.log.has_ending or self._state in (_ENDED, _DETACHED):
            return
        self._requested_end = end
        if self._state is _PRODUCING:
            self._end(None)
            self._stop_engine()
        elif self._task is not None:
            self._task.cancel()  # and follows again, to take over: `_after_following`

    def check_fence(self) -> None:
        """Detect a takeover even while the engine is silent."""
        if self._state is _PRODUCING and self._writer is not None:
            self._writer.check_fence()

    async def close(self, save_timeout: float, *, releases: bool = False) -> None:
        """Save what was generated, and detach. Log an ending only if no other process can continue."""
        self._cancel_timers()
        if self._state is _PRODUCING and not self.is_shared:
            self.stop(SHUTDOWN)
        if self._state is _PRODUCING:
            self._observer.left(self)
        self._state = _DETACHED
        if self._run is not None:
            self._run.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._writer is not None:
            await self._writer.close(save_timeout, releases=releases)

    # --- PRODUCING: the engine's listener ---------------------------------------------------------------

    def on_events(self, events: list[Event]) -> None:
        """Log what the engine emits."""
        log = self.log
        if self._state is not _PRODUCING or log.has_ending:
            return
        count = log.count
        self._write(events)
        if log.count == count:
            self._record.progressed(log.progress)
        elif count:
            self._record.intervals.add(monotonic())
        else:
            self._record.first_delta()
        if log.size > self._settings.max_answer_size:
            self.stop(oversized(self.id))

    def on_end(self, error: HeadraceError | None) -> None:
        """The engine has stopped: log an ending, unless there is one."""
        self._run = None
        self._record.engine_stopped()
        if self.log.has_ending:
            self._report_if_over()
        elif self._state is _PRODUCING and self._record.is_stopping:  # since a fence before its own takeover
            self._start_engine()
        elif self._state is _PRODUCING:
            self._end(error or IncompleteError("the engine stopped without an ending"))

    def _start_engine(self) -> None:
        if self._run is not None:
            return  # it is still stopping; `on_end` starts it again
        self._record.engine_started(self.log.count)
        with ReportingErrors(self._end):
            engine = self.plan.engine
            generation = msgspec.structs.replace(self.plan.generation, turn=self.id, trace=self.trace)
            if self.store is None:
                self._run = engine.start(generation, self)
            else:
                self._run = start_durably(engine, generation, self.log, self, needs_token_ids=self.is_shared)

    def _end(self, error: HeadraceError | None) -> None:
        """Log the requested ending, or else one for the error."""
        if (end := self._requested_end) is not None:
            self._record.ended(end.kind)
            self._write([self.log.finish(end.reason, end.error)])
        elif error is not None:
            self._record.failed(error)
            self._write([self.log.ending(error)])

    def _stop_engine(self) -> None:
        if self._run is not None:
            self._record.stop_requested()
            self._run.stop()

    # --- PRODUCING: the store ---------------------------------------------------------------------------

    def _become_producer(self, fence: int) -> None:
        previous = self._follower.previous_fence if self._follower else 0
        self._observer.started(self, fence, previous)
        self._state = _PRODUCING
        if self.store is None:
            return
        self._writer = Writer(
            self.store,
            self.id,
            fence,
            self.log,
            on_fenced=self._on_fenced,
            on_failure=self._on_store_failure,
            on_settled=self._on_settled,
        )
        self._write = self._writer.write

    def _on_fenced(self) -> None:
        """Follow the process that has taken over."""
        assert self._writer is not None
        assert self._follower is not None
        self._follower.cursor = self._writer.cursor
        self._writer, self._write = None, self.log.write
        self.log.drop_unpublished()
        self._stop_engine()
        if self._state is _DETACHED:
            return
        if self.log.is_finished:
            self._release()
            return
        self._observer.left(self)
        self._state = _FOLLOWING
        if self._requested_end and self._requested_end.reason != CANCELLED:
            self._requested_end = None  # only the producer's own
        self._start_following()
        self._watch_readers()

    def _on_store_failure(self, error: StoreError | GoneError) -> None:
        """Continue without the store, or end the turn, as `on_store_error` requires."""
        _LOGGER.error("the turn is no longer saved: %s", error.message, extra={"turn": self.id})
        if self._settings.on_store_error == "fail":
            self.stop(unsaved(error))

    def _on_settled(self) -> None:
        if self.log.is_finished:
            self._release()

    # --- FOLLOWING --------------------------------------------------------------------------------------

    def _start_following(self) -> None:
        assert self._follower is not None
        self._follower.is_forced = self._requested_end is not None
        self._follower.has_taken_over = False
        self._task = asyncio.create_task(self._follower.run(), name=f"turn {self.id}")
        # Not at the end of `run`: a task that is cancelled before its first step never gets there.
        self._task.add_done_callback(self._after_following)

    def _after_following(self, task: asyncio.Task[bool]) -> None:
        self._task = None
        assert self._follower is not None
        if self._state is not _FOLLOWING or self.log.is_finished:
            return
        error = error_of(task, self.id)
        if error is None and task.result():
            self._become_producer(self._follower.cursor.fence)
            if self._follower.is_deadly and not self._requested_end:
                self._requested_end = KILLED_ITS_SERVERS
            if self._requested_end:
                self._end(None)
            else:
                self._record.was_taken_over = True
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
        self._state = _DETACHED
        self.log.unwatch()
        if self._task is not None:
            self._task.cancel()
        self._on_released(self)

    # --- readers ----------------------------------------------------------------------------------------

    def _watch_readers(self) -> None:
        """Start the timer that ends a turn without readers, or detaches from it."""
        self._cancel_timers()
        if not self.log.is_orphaned or self.log.is_finished or self._state is _DETACHED:
            return
        if self._orphan_timer is None:
            self.stop(DISCONNECTED)
        elif self._state is _FOLLOWING:
            self._orphan_timer.start_detaching(self._detach)
        elif not self.header.detached:
            self._orphan_timer.start(self._on_orphaned)

    def _on_orphaned(self, linger: float) -> None:
        if self.log.is_orphaned and self._state is _PRODUCING:
            self.stop(orphaned(linger))

    def _cancel_timers(self) -> None:
        if self._orphan_timer is not None:
            self._orphan_timer.cancel()

    # --- ENDED ------------------------------------------------------------------------------------------

    def _on_log_end(self) -> None:
        self._cancel_timers()
        self._has_produced_ending = self._state is _PRODUCING
        self._state = _ENDED
        self._release()
        self._report_if_over()

    def _release(self) -> None:
        """Let the registry forget the turn, unless only this process has its ending."""
        if self._writer is None or not self._writer.has_backlog:
            if self._writer is not None:
                self._writer.check_end()
            self._writer, self._write = None, self.log.write
            self._on_released(self)

    def _report_if_over(self) -> None:
        """Report the outcome once the ending is readable and the engine has stopped."""
        if self._has_produced_ending and self._run is None:
            self._has_produced_ending = False
            asyncio.get_running_loop().call_soon(self._record.report, self.log, lambda: self.plan)
