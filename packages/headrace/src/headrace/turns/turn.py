"""A turn: one answer to one request, as this process sees it.

A turn has a log and a task that fills it. The task either produces, by running the engine, or follows, by
copying the log that another process saves; a follower takes over when that process is dead. Readers see no
difference.

                      ┌───────── fenced ────────▶ follows ── the ending was copied ──▶ finished
        new ──▶ produces ◀────── took over ─────────┘
                      └── the engine finished, failed or was cancelled: an ending is logged ──▶ finished
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

import msgspec

from headrace.engines import Generation
from headrace.errors import EngineError, HeadraceError
from headrace.events import CANCELLED
from headrace.turns.continuation import continue_answer, derive_seed
from headrace.turns.follower import Follower
from headrace.turns.log import Logged, LogReader, MemoryLog
from headrace.turns.outcome import CancelledBy, TurnOutcome, TurnRecord, received_finish
from headrace.turns.plan import Plan, Planner
from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, Tail, TurnHeader, TurnStore
from headrace.turns.writer import Writer
from headrace.wire import ChatRequest

__all__ = ["Turn", "new_turn_id"]

_LOGGER = logging.getLogger("headrace.turns")
_BEIJING: Final = timezone(timedelta(hours=8))
_FIRST_FENCE: Final = 1


class _RequestedEnd(NamedTuple):
    """An ending that is not the engine's."""

    reason: str
    error: str = ""
    by: CancelledBy | None = None


_DELETED: Final = _RequestedEnd(CANCELLED, by=CancelledBy.DELETE)
_DISCONNECTED: Final = _RequestedEnd("network_error", "the client disconnected", CancelledBy.DISCONNECT)
_SHUTDOWN: Final = _RequestedEnd("network_error", "the server is shutting down", CancelledBy.SHUTDOWN)


def new_turn_id(now: float) -> str:
    """Generate an id like Z.ai's: `yyyyMMddHHmmss` in UTC+8, and 16 hexadecimal digits."""
    stamp = datetime.fromtimestamp(now, UTC).astimezone(_BEIJING).strftime("%Y%m%d%H%M%S")
    return stamp + secrets.token_hex(8)


class Turn:
    """A turn in one event loop. `produce` or `follow` starts it.

    Args:
        header: its metadata.
        request: the request to answer.
        planner: plans how to serve the request.
        settings: timeouts, and what to do if the store fails.
        store: where the log is saved. None: nowhere; the turn is cancelled when its last reader detaches.
        on_released: called when this process no longer needs to know the turn.
        on_finished: called with the outcome, if this process produced the ending.
    """

    def __init__(
        self,
        header: TurnHeader,
        request: ChatRequest,
        planner: Planner,
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
        self._plan: Plan | None = None
        self._settings = settings
        self._store = store
        self._on_released = on_released
        self._on_finished = on_finished
        self._record = TurnRecord()
        self._follower = (
            Follower(store, self.id, self.log, settings, lambda: planner(request))
            if store is not None
            else None
        )
        self._writer: Writer | None = None
        self._task: asyncio.Task[None] | None = None
        self._requested_end: _RequestedEnd | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._orphan_check: asyncio.Task[None] | None = None
        self.is_closed = False
        """Whether this process has detached from the turn."""

    @property
    def is_durable(self) -> bool:
        """Whether everything that was read can be read again, in any process."""
        return self.log.is_saved

    def produce(self, plan: Plan | None = None) -> None:
        """Start as the producer, by `plan` if there is one already."""
        self._plan = plan
        if self._store is not None:
            self._become_producer(_FIRST_FENCE)
            self._watch_readers()
        self._start(self._produce(), self._after_producing)

    def follow(self, tail: Tail) -> None:
        """Start from the stored log; then follow or take over."""
        assert self._follower is not None
        self._record.began -= max(time.time() - self.created, 0.0)
        self._follower.apply(tail)
        if not self.log.is_finished:
            self._watch_readers()
            self._start_following()

    def reader(self, *, idle: float) -> LogReader:
        """Attach a reader at the beginning of the log, and stop the orphan timer."""
        self._cancel_timer()
        return self.log.reader(idle=idle)

    async def catch_up(self) -> None:
        """Copy everything that another process has published so far.

        Raises:
            StoreError: the store is unavailable.
            GoneError: the log was evicted.
        """
        if self._follower is not None and self._writer is None and not self.log.is_finished:
            await self._follower.poll(wait=0)

    def stop(self) -> None:
        """Cancel the turn for its owner, whichever process produces it. The ending follows a little later."""
        self._request_end(_DELETED)

    def check_fence(self) -> None:
        """Detect a takeover even while the engine is silent."""
        if self._writer is not None:
            self._writer.check_fence()

    async def close(self, save_timeout: float) -> None:
        """Save what was generated, and detach. Log an ending only if no other process can continue."""
        self._cancel_timer()
        if self._is_producer and not (self._store and self._store.outlives_process):
            self._request_end(_SHUTDOWN)
        else:
            self.is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self.is_closed = True
        if self._writer is not None:
            await self._writer.close(save_timeout)

    # --- producing ------------------------------------------------------------------------------------

    async def _produce(self) -> None:
        plan = self._plan = self._plan or self._planner(self.request)
        generation = self._with_seed(plan.generation)
        logged = self.log.events.copy()
        if logged:
            prompt_tokens = self.log.progress.total if self.log.progress else 0
            batches = continue_answer(plan.engine, generation, logged, prompt_tokens)
        else:
            batches = plan.engine.generate(generation)
        async with aclosing(batches):
            async for events in batches:
                self._write(events)
                if self._record.first_token_seconds is None and self.log.events and not logged:
                    self._record.first_token()

    def _after_producing(self, error: HeadraceError | None) -> None:
        self._record.engine_stopped()
        if self.log.has_ending:
            return
        if self._writer is None and self.log.is_saved:
            if self._requested_end and self._requested_end.reason != CANCELLED:
                self._requested_end = None  # only the producer's own
            self._start_following()
            self._watch_readers()
        else:
            self._end(error or EngineError("the engine stopped without an ending"))

    def _write(self, events: Sequence[Logged]) -> None:
        if self._writer is not None:
            self._writer.write(events)
        else:
            self.log.append(events)
            self.log.publish()

    def _request_end(self, end: _RequestedEnd) -> None:
        """Cancel the task, which then logs this ending."""
        if not self.log.has_ending and self._task is not None:
            self._requested_end = end
            if self._is_producer:
                self._record.stop_requested()
            self._task.cancel()

    def _end(self, error: HeadraceError) -> None:
        """Log the requested ending, or else one for the error."""
        if (end := self._requested_end) is not None:
            self._record.cancelled_by = end.by
            self._write([self.log.finish(end.reason, end.error)])
        else:
            self._write([self.log.ending(error)])

    def _with_seed(self, generation: Generation) -> Generation:
        """Derive a durable turn's sampling seed from its id and position, if the request has none."""
        request = generation.request
        position = len(self.log.events)
        if self._store is None:
            return generation
        if request.seed is None or position:
            request = msgspec.structs.replace(request, seed=derive_seed(self.id, position))
        return msgspec.structs.replace(
            generation, request=request, needs_token_ids=self._store.outlives_process
        )

    @property
    def _is_producer(self) -> bool:
        return self._store is None or self._writer is not None

    def _become_producer(self, fence: int) -> None:
        assert self._store is not None
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
        if self._task is not None:
            self._task.cancel()
        elif self.log.is_finished:
            self._release()
        elif not self.is_closed:
            self._after_producing(None)

    def _on_store_failure(self, error: StoreError | GoneError) -> None:
        """Continue without the store, or end the turn, as `on_store_error` requires."""
        _LOGGER.error("turn %s is no longer saved: %s", self.id, error.message)
        if self._settings.on_store_error == "fail":
            self._request_end(_RequestedEnd("network_error", error.message))

    # --- following ------------------------------------------------------------------------------------

    async def _follow(self, follower: Follower) -> None:
        if await follower.run():
            self._become_producer(follower.cursor.fence)

    def _after_following(self, error: HeadraceError | None) -> None:
        if self.log.is_finished:
            return
        if self._writer is not None and not self._requested_end:
            self._start(self._produce(), self._after_producing)
            self._watch_readers()
        elif self._writer is not None:
            self._end(EngineError("the turn was cancelled"))
        elif self._requested_end and not isinstance(error, StoreError | GoneError):
            self._start_following()  # takes over to log the requested ending
        else:
            self.log.is_saved = False
            self._end(error or EngineError("the turn was lost"))

    def _start_following(self) -> None:
        assert self._follower is not None
        self._follower.is_forced = self._requested_end is not None
        self._start(self._follow(self._follower), self._after_following)

    # --- lifetime -------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None], then: Callable[[HeadraceError | None], None]) -> None:
        def done(task: asyncio.Task[None]) -> None:
            self._task = None
            if not self.is_closed:
                then(self._error_of(task))

        self._task = asyncio.create_task(work, name=f"turn {self.id}")
        # Not at the end of `work`: a task that is cancelled before its first step never gets there.
        self._task.add_done_callback(done)

    def _error_of(self, task: asyncio.Task[None]) -> HeadraceError | None:
        if task.cancelled():
            return EngineError("the turn was cancelled")
        error = task.exception()
        if error is None or isinstance(error, HeadraceError):
            return error
        _LOGGER.error("turn %s failed", self.id, exc_info=error)
        return EngineError(f"internal server error; see the server log, turn {self.id}", code="1230")

    def _watch_readers(self) -> None:
        """Start the timer that ends a turn without readers, or detaches from it."""
        self._cancel_timer()
        if not self.log.is_orphaned or self.log.is_finished or self.is_closed:
            return
        loop = asyncio.get_running_loop()
        if self._store is None:
            self._request_end(_DISCONNECTED)
        elif self._writer is None:
            self._timer = loop.call_later(self._settings.lease, self._detach)
        elif not self.header.detached:
            # It takes up to a lease until a reader in another process is recorded.
            least = self._settings.lease if self._store.outlives_process else 0.0
            self._timer = loop.call_later(max(self._settings.linger, least), self._start_orphan_check)

    def _detach(self) -> None:
        """Stop following a turn that has no reader in this process; its producer continues."""
        assert self._follower is not None
        # A takeover must not be left half done: no other process would produce the turn.
        if self._requested_end or self._follower.is_taking_over:
            self._watch_readers()
            return
        self.is_closed = True
        if self._task is not None:
            self._task.cancel()
        self._on_released(self)

    def _start_orphan_check(self) -> None:
        self._orphan_check = asyncio.create_task(self._stop_if_orphaned(), name=f"orphan check {self.id}")

    async def _stop_if_orphaned(self) -> None:
        """Cancel the turn unless it has a reader in another process."""
        assert self._store is not None
        try:
            has_reader = await self._store.has_reader(self.id)
        except StoreError:
            has_reader = True  # possibly
        except GoneError:
            has_reader = False
        if has_reader:
            self._watch_readers()
        elif self.log.is_orphaned and self._writer is not None and not self.is_closed:
            error = f"no reader for {self._settings.linger:g} s"
            self._request_end(_RequestedEnd("network_error", error, CancelledBy.ORPHANED))

    def _on_log_end(self) -> None:
        self._cancel_timer()
        if self._is_producer:
            asyncio.get_running_loop().call_soon(self._report_outcome)  # after the readers have the ending
        self._release()

    def _on_settled(self) -> None:
        if self.log.is_finished:
            self._release()

    def _release(self) -> None:
        """Let the registry forget the turn, unless only this process has its ending."""
        if self._writer is None or not self._writer.has_backlog:
            self._on_released(self)

    def _report_outcome(self) -> None:
        if self._plan is None:  # taken over only to be ended
            with suppress(HeadraceError):
                self._plan = self._planner(self.request)
        model = self._plan.model if self._plan else self.request.model
        finish = received_finish(self.log.events, self._plan)
        self._on_finished(self._record.outcome(self.header, model, finish))

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
