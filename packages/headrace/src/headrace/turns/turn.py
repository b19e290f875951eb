"""One answer to one request, as one process has it.

A turn has a log, and a task that fills it. The task produces: it runs the engine. Or it follows: it reads
what another process saves, and takes over when that process is dead. Readers cannot tell.

                      ┌───────── fenced ────────▶ follows ── the ending is here ──▶ over
        new ──▶ produces ◀────── took over ─────────┘
                      └── the engine is done, failed or was stopped: an ending is logged ──▶ over
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import msgspec

from headrace.engines import Engine, Generation
from headrace.errors import EngineError, HeadraceError
from headrace.events import CANCELLED
from headrace.turns.continuation import continue_answer, seed_of
from headrace.turns.follower import Follower
from headrace.turns.log import Logged, LogReader, MemoryLog
from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, Tail, TurnHeader, TurnStore
from headrace.turns.writer import Writer
from headrace.wire import ChatRequest

__all__ = ["Plan", "Planned", "Turn", "new_turn_id"]

Planned = tuple[Engine, Generation]
Plan = Callable[[ChatRequest], Planned]
"""What a request runs on; raises `HeadraceError` if this process cannot serve it."""

_LOGGER = logging.getLogger("headrace.turns")
_BEIJING: Final = timezone(timedelta(hours=8))
_FIRST_FENCE: Final = 1


def new_turn_id(now: float) -> str:
    """As Z.ai makes them: `yyyyMMddHHmmss` in UTC+8, and 16 hexadecimal digits."""
    stamp = datetime.fromtimestamp(now, UTC).astimezone(_BEIJING).strftime("%Y%m%d%H%M%S")
    return stamp + secrets.token_hex(8)


class Turn:
    """A turn. Belongs to one event loop; `produce` or `follow` sets it going.

    Args:
        header: what it is.
        request: what is to be answered.
        plan: tells what to run it on.
        settings: how long it lives.
        store: where it is kept. None keeps it here only: it is stopped when its last reader leaves.
        on_over: called when this process need not know the turn any more.
    """

    def __init__(
        self,
        header: TurnHeader,
        request: ChatRequest,
        plan: Plan,
        settings: TurnSettings,
        *,
        store: TurnStore | None = None,
        on_over: Callable[["Turn"], None] = lambda _: None,
    ) -> None:
        self.id = header.id
        self.created = header.created
        self.header = header
        self.request = request
        self.log = MemoryLog(on_end=self._be_over, on_orphaned=self._watch)
        self.log.is_saved = store is not None
        self._plan = plan
        self._settings = settings
        self._store = store
        self._on_over = on_over
        self._follower = (
            Follower(store, self.id, self.log, settings, lambda: plan(request)) if store is not None else None
        )
        self._writer: Writer | None = None
        self._task: asyncio.Task[None] | None = None
        self._requested_end: tuple[str, str] | None = (
            None  # reason and error, where it is not the engine's to end
        )
        self._timer: asyncio.TimerHandle | None = None
        self._abandoning: asyncio.Task[None] | None = None
        self.is_closed = False
        """This process has nothing more to do with it."""

    @property
    def is_durable(self) -> bool:
        """Whatever is read can be read again, here or elsewhere."""
        return self.log.is_saved

    def produce(self, planned: Planned | None = None) -> None:
        """Begin: this process is the producer. `planned` is what `plan` said, if it was asked before."""
        if self._store is not None:
            self._own(_FIRST_FENCE)
            self._watch()
        self._start(self._produce(planned), self._after_producing)

    def follow(self, tail: Tail) -> None:
        """Begin with what the store holds; read on, or take over."""
        assert self._follower is not None
        self._follower.take_in(tail)
        if not self.log.is_finished:
            self._watch()
            self._start_following()

    def reader(self, *, idle: float) -> LogReader:
        """A reader from the beginning on. When the last one is closed, the turn's time runs out."""
        self._cancel_timer()
        return self.log.reader(idle=idle)

    async def catch_up(self) -> None:
        """See to it that whatever another process has shown is here as well.

        Raises:
            StoreError, GoneError: that cannot be done.
        """
        if self._follower is not None and self._writer is None and not self.log.is_finished:
            await self._follower.read_on(wait=0)

    def stop(self, reason: str = CANCELLED, error: str = "") -> None:
        """End the answer as it is, whoever produces it. The ending comes a little later."""
        if not self.log.has_ending and self._task is not None:
            self._requested_end = (reason, error)
            self._task.cancel()

    def check_fence(self) -> None:
        """See to it that whoever has taken the turn over is noticed, even while nothing is said."""
        if self._writer is not None:
            self._writer.check_fence()

    async def close(self, patience: float) -> None:
        """Leave the turn to others: no ending is logged. What has been said is saved first."""
        self.is_closed = True
        self._cancel_timer()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._writer is not None:
            await self._writer.close(patience)

    # --- producing ------------------------------------------------------------------------------------

    async def _produce(self, planned: Planned | None = None) -> None:
        engine, generation = planned or self._plan(self.request)
        generation = self._prepared(generation)
        said = self.log.events.copy()
        if said:
            prompt_tokens = self.log.progress.total if self.log.progress else 0
            events = continue_answer(engine, generation, said, prompt_tokens)
        else:
            events = engine.generate(generation)
        async with aclosing(events):
            async for new in events:
                self._say(new)

    def _after_producing(self, error: HeadraceError | None) -> None:
        if self.log.has_ending:
            return
        if self._writer is None and self.log.is_saved:
            if self._requested_end and self._requested_end[0] != CANCELLED:
                self._requested_end = None  # it was this process's, which has no say any more
            self._start_following()
            self._watch()
        else:
            self._end(error or EngineError("the engine stopped without an ending"))

    def _say(self, events: Sequence[Logged]) -> None:
        if self._writer is not None:
            self._writer.write(events)
        else:
            self.log.append(events)

    def _end(self, error: HeadraceError) -> None:
        self._say([self.log.finish(*self._requested_end) if self._requested_end else self.log.ending(error)])

    def _prepared(self, generation: Generation) -> Generation:
        """A durable turn draws its lots by its id, and each continuation by its own."""
        request = generation.request
        position = len(self.log.events)
        if self._store is None:
            return generation
        if request.seed is None or position:
            request = msgspec.structs.replace(request, seed=seed_of(self.id, position))
        return msgspec.structs.replace(generation, request=request, is_kept=self._store.outlives_process)

    def _own(self, fence: int) -> None:
        """Be the producer."""
        assert self._store is not None
        self._writer = Writer(
            self._store,
            self.id,
            fence,
            self.log,
            on_fenced=self._be_fenced,
            on_failure=self._lose_store,
            on_settled=self._be_over_if_finished,
        )

    def _be_fenced(self) -> None:
        """Another process is the producer now."""
        assert self._writer is not None
        assert self._follower is not None
        self._follower.cursor = self._writer.cursor
        self._writer = None
        self.log.drop_held()
        if self._task is not None:
            self._task.cancel()
        elif self.log.is_finished:
            self._be_over()
        elif not self.is_closed:
            self._after_producing(None)

    def _lose_store(self, error: StoreError | GoneError) -> None:
        """The store has failed for longer than its patience."""
        _LOGGER.error("turn %s is not saved any more: %s", self.id, error.message)
        if self._settings.on_store_error == "fail":
            self.stop("network_error", error.message)

    # --- following ------------------------------------------------------------------------------------

    async def _follow(self, follower: Follower) -> None:
        if await follower.run():
            self._own(follower.cursor.fence)

    def _after_following(self, error: HeadraceError | None) -> None:
        if self.log.is_finished:
            return
        if self._writer is not None and not self._requested_end:
            self._start(self._produce(), self._after_producing)
            self._watch()
        elif self._writer is not None:
            self._end(EngineError("the turn was stopped"))
        elif self._requested_end and not isinstance(error, StoreError | GoneError):
            self._start_following()  # takes over, to have the last word
        else:
            self.log.is_saved = False
            self._end(error or EngineError("the turn was lost"))

    def _start_following(self) -> None:
        assert self._follower is not None
        self._follower.is_forced = self._requested_end is not None
        self._start(self._follow(self._follower), self._after_following)

    # --- life -----------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[Any, Any, None], then: Callable[[HeadraceError | None], None]) -> None:
        def done(task: asyncio.Task[None]) -> None:
            self._task = None
            if not self.is_closed:
                then(self._error_of(task))

        self._task = asyncio.create_task(work, name=f"turn {self.id}")
        # Not at the end of the work: a task that is cancelled before its first step never gets there.
        self._task.add_done_callback(done)

    def _error_of(self, task: asyncio.Task[None]) -> HeadraceError | None:
        if task.cancelled():
            return EngineError("the turn was cancelled")
        error = task.exception()
        if error is None or isinstance(error, HeadraceError):
            return error
        _LOGGER.error("turn %s failed", self.id, exc_info=error)
        return EngineError(f"processing failed; see turn {self.id} in the server's log", code="1230")

    def _watch(self) -> None:
        """If nobody reads, the turn's time runs out."""
        self._cancel_timer()
        if not self.log.is_orphaned or self.log.is_finished or self.is_closed:
            return
        loop = asyncio.get_running_loop()
        if self._store is None:
            self.stop("network_error", "its client left")
        elif self._writer is None:
            self._timer = loop.call_later(self._settings.lease, self._leave_it)
        elif not self.header.detached:
            # A reader elsewhere is heard of within a lease.
            least = self._settings.lease if self._store.outlives_process else 0.0
            self._timer = loop.call_later(max(self._settings.linger, least), self._start_abandoning)

    def _leave_it(self) -> None:
        """Whoever produces it goes on; this process has no reader for it."""
        assert self._follower is not None
        # Who takes a turn over must produce it: nobody else would.
        if self._requested_end or self._follower.is_taking_over:
            self._watch()
            return
        self.is_closed = True
        if self._task is not None:
            self._task.cancel()
        self._on_over(self)

    def _start_abandoning(self) -> None:
        self._abandoning = asyncio.create_task(self._abandon(), name=f"abandon {self.id}")

    async def _abandon(self) -> None:
        """Stop, unless it is read elsewhere."""
        assert self._store is not None
        try:
            has_reader = await self._store.has_reader(self.id)
        except StoreError:
            has_reader = True  # for all that is known
        except GoneError:
            has_reader = False
        if has_reader:
            self._watch()
        elif self.log.is_orphaned and self._writer is not None and not self.is_closed:
            self.stop("network_error", f"nobody read it for {self._settings.linger:g} s")

    def _be_over(self) -> None:
        """The ending can be read. But as long as the store lacks it, only this process knows it."""
        self._cancel_timer()
        if self._writer is None or not self._writer.is_owing:
            self._on_over(self)

    def _be_over_if_finished(self) -> None:
        if self.log.is_finished:
            self._be_over()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
