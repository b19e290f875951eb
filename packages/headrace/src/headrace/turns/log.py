"""The log of a turn: its events in order, which any number of readers may read.

Writing has two stages. `append` adds events that readers must not see yet, because the store has not saved
them; `publish` makes them readable. A slow reader costs nothing: its events stay in the log, and its next
read returns all of them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from headrace.errors import HeadraceError, LimitError
from headrace.events import Event, Finish, Progress, Reasoning, TokenUsage, token_count

__all__ = ["ENDINGS", "Failure", "LogReader", "Logged", "MemoryLog"]


class Failure(msgspec.Struct, frozen=True, array_like=True, tag="!"):
    """The only entry of a turn that failed before its first event: the error of the response."""

    code: str
    message: str
    status: int
    retry_after: float | None = None

    def to_error(self) -> HeadraceError:
        """Convert back to an exception."""
        if self.retry_after is not None:
            return LimitError(self.message, code=self.code, status=self.status, retry_after=self.retry_after)
        return HeadraceError(self.message, code=self.code, status=self.status)


Logged = Event | Failure

ENDINGS: Final = frozenset({Finish, Failure})
"""The types of the last entry of a log."""


def _nothing() -> None:
    pass


class MemoryLog:
    """The log of a turn in this process. Ends with a `Finish`, or with a `Failure` as its only entry.

    Args:
        on_end: called once, when the ending becomes readable.
        on_orphaned: called when the last reader detaches.
    """

    def __init__(
        self, *, on_end: Callable[[], None] = _nothing, on_orphaned: Callable[[], None] = _nothing
    ) -> None:
        self.events: list[Logged] = []
        self.published = 0
        """The number of readable events."""
        self.has_ending = False
        """Whether the last event is an ending."""
        self.progress: Progress | None = None
        self.is_saved = True
        """Whether the store has every readable event, so that its ordinal is valid in other processes too."""
        self._readers: set[LogReader] = set()
        self._on_end = on_end
        self._on_orphaned = on_orphaned

    @property
    def is_finished(self) -> bool:
        """Whether the ending is readable."""
        return self.has_ending and self.published == len(self.events)

    @property
    def is_broken(self) -> bool:
        """Whether the turn ended with an error, so that a retry may succeed."""
        ending = self.events[-1] if self.is_finished else None
        return isinstance(ending, Failure) or (isinstance(ending, Finish) and bool(ending.error))

    @property
    def is_orphaned(self) -> bool:
        """Whether the log has no readers."""
        return not self._readers

    def append(self, events: Iterable[Logged]) -> None:
        """Add events, not yet readable. A `Progress` is never kept: readers receive the latest at once."""
        for event in events:
            if type(event) is Progress:
                self.progress = event
                for reader in self._readers:
                    reader.wake()
            else:
                self.events.append(event)
                if type(event) in ENDINGS:
                    self.has_ending = True

    def publish(self, count: int | None = None) -> None:
        """Make the first `count` events readable; None means all. Wakes the readers."""
        count = len(self.events) if count is None else count
        has_grown = count > self.published
        self.published = count
        for reader in self._readers:
            reader.wake()
        if has_grown and self.has_ending and count == len(self.events):
            self._on_end()

    def drop_unpublished(self) -> None:
        """Remove the events that no reader has seen."""
        if self.published < len(self.events):
            del self.events[self.published :]
            self.has_ending = False

    def ending(self, error: HeadraceError) -> Logged:
        """Build the ending for an error: of an interrupted answer, or of none at all."""
        if self.events:
            return self.finish("network_error", error.message)
        retry_after = error.retry_after if isinstance(error, LimitError) else None
        return Failure(error.code, error.message, error.status, retry_after)

    def finish(self, reason: str, error: str = "") -> Finish:
        """Build an ending in place of the engine's, with the usage so far."""
        events = [event for event in self.events if not isinstance(event, Failure)]
        usage = TokenUsage(
            prompt=self.progress.total if self.progress else 0,
            completion=sum(map(token_count, events)),
            reasoning=sum(isinstance(event, Reasoning) for event in events),
        )
        return Finish(reason, usage, error)

    def reader(self, *, idle: float) -> "LogReader":
        """Attach a reader at the beginning of the log."""
        reader = LogReader(self, idle)
        self._readers.add(reader)
        return reader

    def detach(self, reader: "LogReader") -> None:
        """Detach a reader."""
        if reader in self._readers:
            self._readers.discard(reader)
            if not self._readers:
                self._on_orphaned()


class LogReader:
    """A position in a log, and the reads from there on.

    Args:
        log: detached from when the reader is closed.
        idle: seconds of silence after which a read returns [], so that a keep-alive can be sent. One timer
            covers many reads.
    """

    def __init__(self, log: MemoryLog, idle: float) -> None:
        self.is_closed = False
        self._log = log
        self._position = 0
        self._progress: Progress | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.idle = idle
        self._last_read = self._loop.time()
        self._timer = self._loop.call_later(idle, self._check_idle)

    @property
    def is_saved(self) -> bool:
        """Whether the store has everything that was read last."""
        return self._log.is_saved

    async def read(self) -> Sequence[Event]:
        """Return all events since the previous read; [] after `idle` seconds of silence, or when closed.

        Raises:
            HeadraceError: the turn failed before its first event.
        """
        if not self._has_news() and not self.is_closed:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._last_read = self._loop.time()
        return self.take()

    def take(self) -> Sequence[Event]:
        """Return all events since the previous read, without waiting.

        Raises:
            HeadraceError: the turn failed before its first event.
        """
        log = self._log
        events = log.events[self._position : log.published]
        self._position += len(events)
        if log.progress is not self._progress:
            self._progress = log.progress
            if self._progress is not None and not events:
                return [self._progress]
        if events and isinstance(events[-1], Failure):
            raise events[-1].to_error()
        return events  # type: ignore[return-value]  # a failure is the only entry, and has been raised

    def close(self) -> None:
        """Detach from the log; a waiting read returns."""
        self.is_closed = True
        self._timer.cancel()
        self.wake()
        self._log.detach(self)

    def wake(self) -> None:
        """Let a waiting read return."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _has_news(self) -> bool:
        return self._position < self._log.published or self._log.progress is not self._progress

    def _check_idle(self) -> None:
        silence = self._loop.time() - self._last_read
        if silence >= self.idle:
            self.wake()
            silence = 0.0
        self._timer = self._loop.call_later(self.idle - silence, self._check_idle)
