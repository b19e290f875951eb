"""Writing of a turn's log: an event is saved before any reader receives it.

The engine never waits: events that arrive during a save are part of the next one. If the store fails for
longer than its retry timeout, the writer publishes without saving, and keeps retrying, so that a recovered
store receives the complete log.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from headrace.turns.entries import Logged
from headrace.turns.log import MemoryLog
from headrace.turns.store import (
    Append,
    AppendResult,
    Behind,
    Cursor,
    Fenced,
    GoneError,
    StoreError,
    TurnStore,
)

__all__ = ["Writer"]

_MAY_BE_LOST: Final = 3.0  # seconds; Redis writes to its disk every second, or every other under load


class Writer:
    """The producer's access to the log.

    Args:
        store: where events are saved.
        id: of the turn.
        fence: the fence under which this process is the producer.
        log: read by the turn's readers in this process; complete up to the writer's cursor.
        on_fenced: another process has taken over; unsaved events must be dropped.
        on_failure: the store has failed for too long.
        on_settled: after a failure, either everything is saved, or it never will be.
        retry_delay: seconds between retries after a failure, each with the store's own retry timeout.
    """

    def __init__(
        self,
        store: TurnStore,
        id: str,
        fence: int,
        log: MemoryLog,
        *,
        on_fenced: Callable[[], None],
        on_failure: Callable[[StoreError | GoneError], None],
        on_settled: Callable[[], None],
        retry_delay: float = 1.0,
    ) -> None:
        self.cursor = Cursor(fence, log.count)
        """The end of the saved log."""
        self._store = store
        self._id = id
        self._log = log
        self._on_fenced = on_fenced
        self._on_failure = on_failure
        self._on_settled = on_settled
        self._checked = self.cursor
        self._end = self.cursor  # after the save in flight
        self._is_busy = False  # a save is in flight or will be retried
        self._has_failed = False
        self._retry_delay = retry_delay
        self._retrying: asyncio.TimerHandle | None = None

    @property
    def has_backlog(self) -> bool:
        """Whether events are published that are not saved yet, but may be."""
        return self._has_failed and self._retrying is not None

    def write(self, events: Sequence[Logged]) -> None:
        """Log events."""
        self._log.append(events)
        if self._has_failed:
            self._log.publish()
        if not self._is_busy:
            self._save()

    def check_fence(self) -> None:
        """Detect a takeover while the engine is silent: if nothing was saved since the previous check."""
        checked, self._checked = self._checked, self.cursor
        if self.cursor == checked and not self._is_busy:
            self._append_nothing()

    def check_end(self) -> None:
        """Save the end of the log again if the store loses it in a restart, which no other server notices.

        No callback follows: for the turn, this writer's work is done.
        """
        if self._store.outlives_process:
            self._on_fenced = self._on_settled = lambda: None
            self._on_failure = lambda _: None
            self._checked = self.cursor
            asyncio.get_running_loop().call_later(_MAY_BE_LOST, self.check_fence)

    async def close(self, save_timeout: float, *, releases: bool = False) -> None:
        """Wait until everything is saved, for at most `save_timeout` seconds; then stop writing.

        Args:
            save_timeout: in seconds.
            releases: whether other processes may take the turn over although this one stays alive.
        """
        # What could not be released is taken over when this process has ended.
        with contextlib.suppress(TimeoutError, StoreError, GoneError):
            async with asyncio.timeout(save_timeout):
                while self._is_busy:  # noqa: ASYNC110 - only once, at shutdown
                    await asyncio.sleep(0.005)
                if releases:
                    await self._store.release(self._id, self.cursor.fence + 1)
        if self._retrying is not None:
            self._retrying.cancel()
        self._is_busy = True  # for good

    def _save(self) -> None:
        after = self.cursor
        events = self._log.slice(after.position, self._log.count)
        if not events:
            return
        if not after.position and self._log.progress is not None:
            events.insert(0, self._log.progress)  # a continuation needs the length of the prompt
        self._append(after, events)

    def _append_nothing(self) -> None:
        """Find out what the store has: a cursor that matches no position writes nothing."""
        self._append(Cursor(self.cursor.fence, -1), [])

    def _append(self, after: Cursor, events: Sequence[Logged]) -> None:
        self._is_busy = True
        self._end = Cursor(after.fence, self._log.count)
        self._store.append(Append(self._id, after, self._end, events, self._done))

    def _done(self, result: AppendResult) -> None:
        self._is_busy = False
        match result:
            case None:
                self.cursor = self._end
                log = self._log
                position = self._end.position
                if position > log.published:  # not so if the store had lost published events
                    log.publish(position)
                if position < log.count:
                    self._save()
                elif self._has_failed:
                    self._has_failed = False
                    log.is_saved = True
                    self._on_settled()
            case Behind():
                self.cursor = Cursor(self.cursor.fence, result.position)
                self._save()
            case Fenced():
                self._on_fenced()
            case StoreError() | GoneError():
                self._fail(result)
            case _:
                assert_never(result)

    def _fail(self, error: StoreError | GoneError) -> None:
        """Publish everything unsaved, and retry until the store has it."""
        self._is_busy = True
        is_gone = isinstance(error, GoneError)
        loop = asyncio.get_running_loop()
        self._retrying = None if is_gone else loop.call_later(self._retry_delay, self._retry)
        if not self._has_failed:
            self._has_failed = True
            self._log.is_saved = False
            self._log.publish()
            self._on_failure(error)
        elif is_gone:
            self._on_settled()

    def _retry(self) -> None:
        self._is_busy = False
        if self.cursor.position < self._log.count:
            self._save()
        else:
            self._append_nothing()
