"""What was said in a turn: kept in its order, read by anyone, from anywhere.

A log has two ends. `hold` keeps what may not be read yet, because it is not in the store; `show` lets the
readers have it. A reader that is slow costs nothing: its events wait here, and it gets all of them at its
next read.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from headrace.errors import HeadraceError, LimitError
from headrace.events import Event, Finish, Progress, Reasoning, Text, TokenUsage, ToolCallEnd

__all__ = ["ENDINGS", "Failure", "LogReader", "Logged", "MemoryLog"]


class Failure(msgspec.Struct, frozen=True, array_like=True, tag="!"):
    """The whole log of a turn that failed before anything was said: the response's status and error."""

    code: str
    message: str
    status: int
    retry_after: float | None = None

    def raised(self) -> HeadraceError:
        """As an exception again."""
        if self.retry_after is not None:
            return LimitError(self.message, code=self.code, status=self.status, retry_after=self.retry_after)
        return HeadraceError(self.message, code=self.code, status=self.status)


Logged = Event | Failure

ENDINGS: Final = frozenset({Finish, Failure})
"""Types of what may stand last in a log, and nowhere else."""


def _nothing() -> None:
    pass


class MemoryLog:
    """A turn's log, as this process knows it. Ends with a `Finish`, or with a `Failure` if nothing was said.

    Args:
        on_end: called once, when the ending can be read.
        on_orphaned: called when the last reader has left.
    """

    def __init__(
        self, *, on_end: Callable[[], None] = _nothing, on_orphaned: Callable[[], None] = _nothing
    ) -> None:
        self.events: list[Logged] = []
        self.shown = 0
        """How many of the events may be read."""
        self.has_ending = False
        """Nothing more will be said."""
        self.progress: Progress | None = None
        self.is_saved = True
        """Whatever can be read is in the store as well: it has a number that will mean the same for ever."""
        self._readers: set[LogReader] = set()
        self._on_end = on_end
        self._on_deserted = on_orphaned

    @property
    def is_finished(self) -> bool:
        """Nothing more will be said, and everything can be read."""
        return self.has_ending and self.shown == len(self.events)

    @property
    def is_broken(self) -> bool:
        """The answer broke off, or never began: asking again may help."""
        ending = self.events[-1] if self.is_finished else None
        return isinstance(ending, Failure) or (isinstance(ending, Finish) and bool(ending.error))

    @property
    def is_orphaned(self) -> bool:
        """Nobody reads."""
        return not self._readers

    def append(self, events: Iterable[Logged]) -> None:
        """Keep the events and wake the readers."""
        self.hold(events)
        self.show(len(self.events))

    def hold(self, events: Iterable[Logged]) -> None:
        """Keep the events, but show them to nobody. `Progress` is news, not history: it is never held."""
        for event in events:
            if type(event) is Progress:
                self.progress = event
                for reader in self._readers:
                    reader.wake()
            else:
                self.events.append(event)
                if type(event) in ENDINGS:
                    self.has_ending = True

    def show(self, count: int) -> None:
        """The first `count` events may be read."""
        is_news = count > self.shown
        self.shown = count
        for reader in self._readers:
            reader.wake()
        if is_news and self.has_ending and count == len(self.events):
            self._on_end()

    def drop_held(self) -> None:
        """What nobody has seen was never said."""
        if self.shown < len(self.events):
            del self.events[self.shown :]
            self.has_ending = False

    def ending(self, error: HeadraceError) -> Logged:
        """How a turn ends that failed here: an answer that breaks off, or no answer at all."""
        if self.events:
            return self.finish("network_error", error.message)
        retry_after = error.retry_after if isinstance(error, LimitError) else None
        return Failure(error.code, error.message, error.status, retry_after)

    def finish(self, reason: str, error: str = "") -> Finish:
        """An ending that is not the engine's, with the usage so far: a piece that came parsed is a token."""
        said = sum(
            event.tokens if isinstance(event, Text) else not isinstance(event, ToolCallEnd)
            for event in self.events
        )
        reasoning = sum(isinstance(event, Reasoning) for event in self.events)
        prompt = self.progress.total if self.progress else 0
        return Finish(reason, TokenUsage(prompt=prompt, completion=said, reasoning=reasoning), error)

    def reader(self, *, idle: float) -> "LogReader":
        """A reader from the beginning on; see `LogReader`."""
        reader = LogReader(self, idle)
        self._readers.add(reader)
        return reader

    def leave(self, reader: "LogReader") -> None:
        """The reader needs no more."""
        if reader in self._readers:
            self._readers.discard(reader)
            if not self._readers:
                self._on_deserted()


class LogReader:
    """Reads a log, from its own position.

    Args:
        idle: seconds of silence after which a read returns with nothing, so that a keep-alive can be
            sent. One timer per such span, not per read.
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
        self._timer = self._loop.call_later(idle, self._tick)

    @property
    def is_saved(self) -> bool:
        """What was read last is in the store as well."""
        return self._log.is_saved

    async def read(self) -> Sequence[Event]:
        """Everything since the read before; [] after `idle` seconds of silence, or when it is closed.

        Raises:
            HeadraceError: the turn failed before anything was said.
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
        """Everything since the read before, without waiting.

        Raises:
            HeadraceError: the turn failed before anything was said.
        """
        log = self._log
        events = log.events[self._position : log.shown]
        self._position += len(events)
        if log.progress is not self._progress:
            self._progress = log.progress
            if self._progress is not None and not events:
                return [self._progress]
        if events and isinstance(events[-1], Failure):
            raise events[-1].raised()
        return events  # type: ignore[return-value]  # a failure stands alone, and has been raised

    def close(self) -> None:
        """No more reads; one that is waiting returns."""
        self.is_closed = True
        self._timer.cancel()
        self.wake()
        self._log.leave(self)

    def wake(self) -> None:
        """There is something to read, or it is time to send a sign of life."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _has_news(self) -> bool:
        return self._position < self._log.shown or self._log.progress is not self._progress

    def _tick(self) -> None:
        silent = self._loop.time() - self._last_read
        if silent >= self.idle:
            self.wake()
            silent = 0.0
        self._timer = self._loop.call_later(self.idle - silent, self._tick)
