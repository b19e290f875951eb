"""The log of a turn: its events in order, which any number of readers may read.

Writing has two stages. `append` adds events that readers must not see yet, because the store has not saved
them; `publish` makes them readable and calls every reader, in the same call stack. A slow reader costs
nothing: its events stay in the log, and its next read returns all of them.

Events that every reader has passed are packed: their block is encoded and compressed, so that a long log
costs about its text. Nothing changes for a reader that starts at the beginning: blocks are unpacked for it.
"""

import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from headrace.errors import HeadraceError, LimitError
from headrace.events import (
    Content,
    Event,
    Finish,
    Progress,
    Reasoning,
    Text,
    TokenUsage,
    ToolCallArguments,
    token_count,
)
from headrace.turns.entries import ENDINGS, Failure, Logged, decode_events, encode_events
from headrace.turns.takeover import DEADLY

__all__ = ["LogReader", "MemoryLog"]

_BLOCK: Final = 512  # events that are packed together
_PACK_AT: Final = 2 * _BLOCK  # events that are not packed
_EVENT_BYTES: Final = 120  # of an event, besides its text


_FRAGMENTS: Final = (Text, Content, Reasoning, ToolCallArguments)


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
        self.count = 0
        """The number of events."""
        self.published = 0
        """The number of readable events."""
        self.has_ending = False
        """Whether the last event is an ending."""
        self.progress: Progress | None = None
        self.received: Finish | None = None
        """The ending as a reader has interpreted it; None while none has read to the end."""
        self.is_saved = True
        """Whether the store has every readable event, so that its ordinal is valid in other processes too."""
        self.epochs: tuple[tuple[int, int], ...] = ()
        """Those after the first one: the number of events before it, and what its event ids begin with."""
        self.size = 0
        """Bytes that the events take until they are packed, roughly."""
        self._packed: list[bytes] = []  # blocks of `_BLOCK` events
        self._offset = 0  # how many events these are
        self._events: list[Logged] = []  # those after them
        self._readers: tuple[LogReader, ...] = ()  # replaced, so that a reader may detach while it is called
        self._on_end = on_end
        self._on_orphaned = on_orphaned

    @property
    def events(self) -> list[Logged]:
        """All events, published or not."""
        return self.slice(0, self.count)

    @property
    def last(self) -> Logged:
        """The last event, published or not; there must be one."""
        return self._events[-1]

    @property
    def is_finished(self) -> bool:
        """Whether the ending is readable."""
        return self.has_ending and self.published == self.count

    @property
    def is_broken(self) -> bool:
        """Whether the turn ended with an error, so that a retry may succeed."""
        ending = self.last if self.is_finished else None
        return isinstance(ending, Failure) or (
            isinstance(ending, Finish) and ending.error not in ("", DEADLY)
        )

    @property
    def is_orphaned(self) -> bool:
        """Whether the log has no readers."""
        return not self._readers

    @property
    def readers(self) -> "tuple[LogReader, ...]":
        """The attached readers."""
        return self._readers

    def slice(self, start: int, stop: int) -> list[Logged]:
        """Return the events from ordinal `start`, counted from 0, up to `stop`."""
        offset = self._offset
        if start >= offset:
            return self._events[start - offset : stop - offset]
        blocks = self._packed[start // _BLOCK : -(-stop // _BLOCK)]
        events = [event for block in blocks for event in decode_events(zlib.decompress(block))]
        if stop > offset:
            events += self._events[: stop - offset]
        begin = start // _BLOCK * _BLOCK
        return events[start - begin : stop - begin]

    def append(self, events: Iterable[Logged]) -> None:
        """Add events, not yet readable. A `Progress` is none: only the latest is kept, beside them."""
        size, kept = self.size, self._events
        for event in events:
            kind = type(event)  # `isinstance` takes long to deny that a struct is of a type
            if kind in _FRAGMENTS:
                size += len(event.text) + _EVENT_BYTES  # type: ignore[union-attr]  # a fragment has one
            elif type(event) is Progress:
                self.progress = event
                continue
            else:
                size += _EVENT_BYTES
                self.has_ending = kind in ENDINGS
            kept.append(event)
        self.size, self.count = size, self._offset + len(kept)

    def write(self, events: Iterable[Logged]) -> None:
        """Append and publish events that no store has to save."""
        self.append(events)
        self.publish()

    def publish(self, count: int | None = None) -> None:
        """Make the first `count` events readable, all if None, and call the readers."""
        if count is None:
            count = self.count
        if count == self.published:
            return
        self.published = count
        for reader in self._readers:
            reader.on_news()
        if len(self._events) >= _PACK_AT:
            self._pack()
        if self.has_ending and count == self.count:
            on_end = self._on_end
            self.unwatch()
            on_end()

    def begin_epoch(self, position: int, epoch: int) -> None:
        """Note that another process has produced the events after the first `position`."""
        if epoch:
            self.epochs += ((position, epoch),)

    def unwatch(self) -> None:
        """Call back no more, so that the log no longer refers to its turn: neither waits for a collection."""
        self._on_end = self._on_orphaned = _nothing

    def drop_unpublished(self) -> None:
        """Remove the events that no reader has seen."""
        if self.published < self.count:
            del self._events[self.published - self._offset :]
            self.count = self.published
            self.has_ending = False

    def ending(self, error: HeadraceError) -> Logged:
        """Build the ending for an error: of an interrupted answer, or of none at all."""
        if self.count:
            return self.finish("network_error", error.public)
        retry_after = error.retry_after if isinstance(error, LimitError) else None
        return Failure(error.code, error.public, error.status, retry_after)

    def finish(self, reason: str, error: str = "") -> Finish:
        """Build an ending in place of the engine's, with the usage so far."""
        events = [event for event in self.events if not isinstance(event, Failure)]
        usage = TokenUsage(
            prompt=self.progress.total if self.progress else 0,
            completion=sum(map(token_count, events)),
            reasoning=sum(isinstance(event, Reasoning) for event in events),
        )
        return Finish(reason, usage, error)

    def reader(self, on_news: Callable[[], object] = _nothing) -> "LogReader":
        """Attach a reader at the beginning of the log; `on_news` is called when there is more to read."""
        reader = LogReader(self, on_news)
        self._readers += (reader,)
        return reader

    def detach(self, reader: "LogReader") -> None:
        """Detach a reader."""
        if reader in self._readers:
            self._readers = tuple(other for other in self._readers if other is not reader)
            if not self._readers:
                self._on_orphaned()

    def _pack(self) -> None:
        """Pack the blocks that every reader has passed and that a store has, as far as this log knows."""
        passed = min([self.published, *(reader.position for reader in self._readers)])
        while passed - self._offset >= _BLOCK:
            block, self._events = self._events[:_BLOCK], self._events[_BLOCK:]
            self._packed.append(zlib.compress(encode_events(block), 1))
            self._offset += _BLOCK


class LogReader:
    """A position in a log.

    Args:
        log: detached from when the reader is closed.
        on_news: called when there is more to read; it may take it at once, later, or never.
    """

    def __init__(self, log: MemoryLog, on_news: Callable[[], object]) -> None:
        self.on_news = on_news
        self.on_handover: Callable[[], object] | None = None
        """Called when another process continues the turn; None if the reader cannot change to that one."""
        self.position = 0
        """How many events have been read."""
        self._log = log
        self._size = 0  # of the log, when it was read last

    @property
    def has_events(self) -> bool:
        """Whether there are events to read."""
        return self.position < self._log.published

    @property
    def backlog(self) -> int:
        """Bytes that are not read yet, as the log counts them."""
        return self._log.size - self._size

    def take(self, most: int = sys.maxsize) -> Sequence[Event]:
        """Return the events since the previous read: all, or the first ones.

        Raises:
            HeadraceError: the turn failed before its first event.
        """
        log, start = self._log, self.position
        stop = log.published
        if stop - start > most:
            stop = start + most
        else:
            self._size = log.size
        self.position = stop
        events = log.slice(start, stop)
        if not start and events and type(first := events[0]) is Failure:
            raise first.to_error()
        return events  # type: ignore[return-value]  # a failure is the only entry, and has been raised

    def close(self) -> None:
        """Detach from the log."""
        self._log.detach(self)
        self.on_news, self.on_handover = _nothing, None
