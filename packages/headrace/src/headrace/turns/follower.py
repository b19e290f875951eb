"""Following a turn that another process produces, and taking it over when that process is dead."""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from typing import Final

from headrace.errors import EngineError, HeadraceError
from headrace.events import Progress
from headrace.turns.entries import Logged
from headrace.turns.log import MemoryLog
from headrace.turns.settings import TurnSettings
from headrace.turns.store import LOST, Cursor, GoneError, Liveness, StoreError, Tail, TurnStore, damaged
from headrace.turns.takeover import MAX_SILENT_DEATHS, Takeover, silent_deaths

__all__ = ["Follower", "error_of"]

_LOGGER = logging.getLogger("headrace.turns")
_RETRY_DELAY: Final = 0.2  # seconds
_LONGEST_WAIT: Final = 3600.0  # seconds; the watch ends it earlier


class Follower:
    """Copies a turn's log from the store until it ends, or until this process becomes the producer.

    Args:
        store: read from.
        id: of the turn.
        log: receives the events.
        settings: the lease, and the retry timeout of the store.
        check: raises if this process could not produce the turn.
    """

    def __init__(
        self, store: TurnStore, id: str, log: MemoryLog, settings: TurnSettings, check: Callable[[], object]
    ) -> None:
        self.id = id
        self.cursor = Cursor(1, 0)
        """The end of the copied log."""
        self.is_forced = False
        """Take over from a live producer too, and without `check`."""
        self.is_taking_over = False
        """Whether the store may already count this process as the producer."""
        self.has_taken_over = False
        """Whether this process is the producer: what the store gets from now on is its own."""
        self._store = store
        self._log = log
        self._lease = settings.lease
        self._retry_timeout = settings.store_retry_timeout
        self._check = check
        self._takeovers: list[Takeover] = []
        self._had_reader = False  # since the last probe
        self._next_probe = 0.0

    @property
    def producer(self) -> str:
        """The process that produces the turn; "" if that is unknown."""
        return self._takeovers[-1].process if self._takeovers else ""

    @property
    def previous_fence(self) -> int:
        """The fence of the producer before the present one; 0 if there was none."""
        fence = self.cursor.fence
        producers = (takeover.fence for takeover in self._takeovers if takeover.process)
        return max((earlier for earlier in producers if earlier < fence), default=min(fence - 1, 1))

    @property
    def is_deadly(self) -> bool:
        """Whether one producer after the other has died without logging anything."""
        return silent_deaths(self._takeovers, self._log.count) >= MAX_SILENT_DEATHS

    def apply(self, tail: Tail) -> None:
        """Append the tail of the stored log.

        Raises:
            GoneError: the store has lost events that this process has, and they were replaced by others; or
                some are missing between those that it has.
        """
        known = self._takeovers[-1].fence if self._takeovers else 0
        new = [takeover for takeover in tail.takeovers if takeover.fence > known]
        if any(takeover.position < self.cursor.position for takeover in new):
            raise GoneError(self.id, LOST)
        # A producer saves again what the store has lost, perhaps in one entry with later events, so that the
        # tail begins before the cursor.
        events: Sequence[Logged] = tail.events
        counted = [event for event in events if not isinstance(event, Progress)]
        grown = tail.cursor.position - self.cursor.position
        if len(counted) < grown:
            raise damaged(self.id, f"{grown - len(counted)} events are missing before {tail.cursor}")
        if len(counted) > grown:
            events = counted[len(counted) - grown :]
        self.cursor = tail.cursor
        self._takeovers += new
        for takeover in new:
            self._log.begin_epoch(takeover.position, takeover.epoch)
        if events:  # otherwise readers would take it for a sign of life
            self._log.append(events)
            self._log.publish()

    async def poll(self, *, wait: float) -> bool:
        """Copy everything saved so far; if nothing is new, wait up to `wait` seconds for more.

        Return whether anything was new.
        """
        self._had_reader = self._had_reader or not self._log.is_orphaned
        start = self.cursor
        while True:
            after = self.cursor
            tail = await self._store.follow(self.id, after, wait)
            if self.has_taken_over:
                return self.cursor != start
            if self.cursor == after:
                self.apply(tail)
                if tail.takeovers:
                    self.wake()  # the new producer may have left the turn, too
                return self.cursor != start
            wait = 0  # a concurrent poll has applied its tail, which may be older than this one

    async def catch_up(self, *, is_reader: bool) -> None:
        """Copy everything saved so far; the producer learns at once if it is for a reader."""
        await self.poll(wait=0)
        if is_reader and not self._log.is_finished:
            await self._store.touch_reader(self.id)

    def take_reader(self) -> bool:
        """Return whether the turn has had a reader here since the previous call."""
        had_reader, self._had_reader = self._had_reader or not self._log.is_orphaned, False
        return had_reader

    def wake(self) -> None:
        """Probe the producer now: it may be dead."""
        self._next_probe = 0.0
        self._store.wake(self.id)

    async def run(self) -> bool:
        """Follow until the ending, or until this process is the producer; return whether it is.

        Raises:
            StoreError: the store has failed for longer than its retry timeout.
            GoneError: the log was evicted, or the store has lost a part of it.
            HeadraceError: the producer is dead, and this process cannot produce the turn.
        """
        self._store.watch(self)
        try:
            return await self._follow()
        finally:
            self._store.unwatch(self)

    async def _follow(self) -> bool:
        loop = asyncio.get_running_loop()
        failing_since = self._next_probe = 0.0
        was_expired = False
        while not (self.has_taken_over or self._log.is_finished):
            try:
                if loop.time() < self._next_probe:
                    if await self.poll(wait=min(self._next_probe - loop.time(), _LONGEST_WAIT)):
                        was_expired = False
                else:
                    liveness = await self._probe()
                    # After an outage of the store every lease has expired: hence a second probe.
                    if liveness is Liveness.LEFT or (liveness is Liveness.EXPIRED and was_expired):
                        await self._take_over(has_died=liveness is Liveness.EXPIRED)
                    was_expired = liveness is Liveness.EXPIRED
                    is_alive = liveness is Liveness.ALIVE
                    self._next_probe = math.inf if is_alive else loop.time() + self._lease / 3
                failing_since = 0.0
            except StoreError:
                failing_since = failing_since or loop.time()
                if loop.time() - failing_since >= self._retry_timeout:
                    raise
                await asyncio.sleep(_RETRY_DELAY)
        return self.has_taken_over

    async def _probe(self) -> Liveness:
        """Return the liveness of the producer, and record this process's readers if it is alive."""
        if self.is_forced or self.producer == self._store.process:
            return Liveness.LEFT
        liveness = await self._store.liveness(self.producer)
        if liveness is Liveness.ALIVE and self.take_reader():
            await self._store.touch_reader(self.id)
        return liveness

    async def _take_over(self, *, has_died: bool) -> None:
        """Become the producer, unless another process is faster or the ending has arrived."""
        if not self.is_forced:
            self._check()
        fence = self.cursor.fence + 1
        self.is_taking_over = True
        has_taken_over = await self._store.take_over(self.id, fence, has_died=has_died)
        try:
            while self.cursor.fence < fence and await self.poll(wait=0):
                pass
        except GoneError:
            if has_taken_over:  # another process can continue what is left, but not for the readers here
                await self._store.release(self.id, fence + 1)
            raise
        if self.cursor.fence < fence:  # the store has lost a takeover that this process knows of
            raise GoneError(self.id, LOST)
        self.is_taking_over = False
        if has_taken_over and not self._log.is_finished:
            level = logging.WARNING if has_died else logging.INFO  # else it was released
            fields = {"turn": self.id, "events": self._log.count}
            _LOGGER.log(level, "took over the turn of another server", extra=fields)
            self.has_taken_over = True


def error_of(task: asyncio.Task[bool], id: str) -> HeadraceError | None:
    """Return how `run` ended in a task; None if it returned."""
    if task.cancelled():
        return EngineError("the turn was cancelled")
    error = task.exception()
    if error is None or isinstance(error, HeadraceError):
        return error
    _LOGGER.error("the turn failed", exc_info=error, extra={"turn": id})
    return EngineError(f"internal server error; see the server log, turn {id}", code="1230")
