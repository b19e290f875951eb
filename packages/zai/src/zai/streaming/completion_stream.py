# Generated from async_completion_stream.py by generate_sync.py: edit that file, and run `make fix`.
"""A streamed completion, as events or as text."""

import contextlib
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Protocol, Self

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Accumulator, Completion
from zai.http.interruptible import AlreadyRunning
from zai.streaming.events import ContentDelta, EventReader, ReasoningDelta, StreamEvent
from zai.streaming.iteration import Items
from zai.streaming.stream import Stream

__all__ = ["CompletionStream"]


class _Start(Protocol):
    """Sends the request."""

    def __call__(self) -> Stream[Chunk]: ...


class CompletionStream:
    """An iterator of events, returned by `chat.completions.stream()`; the request is sent on first use."""

    def __init__(self, start: _Start) -> None:
        self._opener = _Opener(start)
        self._events = Items(self._opener.read(), self._opener.snapshot)

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._events

    def __next__(self) -> StreamEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        self._opener.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def stream(self) -> Stream[Chunk]:
        """The underlying stream of chunks, with the response, the ids and the usage."""
        if self._opener.stream is None:
            return self._opener.open()
        return self._opener.stream

    @property
    def text_stream(self) -> Iterator[str]:
        """The deltas of the text."""
        return self._deltas(ContentDelta)

    @property
    def reasoning_stream(self) -> Iterator[str]:
        """The deltas of the reasoning."""
        return self._deltas(ReasoningDelta)

    @property
    def snapshot(self) -> Completion:
        """The completion received so far."""
        return self.stream.snapshot

    def _deltas(self, kind: type[ContentDelta | ReasoningDelta]) -> Items[str]:
        deltas = (event.delta for event in self if isinstance(event, kind))
        return Items(deltas, self._opener.snapshot)

    def until_done(self) -> Self:
        """Read to the end."""
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> Completion:
        """Read to the end and return the completion; raise if it is incomplete."""
        self.until_done()
        return self.stream.collect()

    def close(self) -> None:
        """Close the connection, which stops the server's work."""
        if self._opener.stream is not None:
            self._opener.stream.close()
        with contextlib.suppress(AlreadyRunning):  # the other thread's iteration ends by itself
            self._events.close()

    def cancel(self) -> None:
        """End the iteration at once, without an error; another thread may call this."""
        self.stream.cancel()


class _Opener:
    """Sends the request on first use.

    Refers to no generator: a reference cycle would keep a stream open after it was dropped.
    """

    def __init__(self, start: _Start) -> None:
        self._start = start
        self.stream: Stream[Chunk] | None = None

    def open(self) -> Stream[Chunk]:
        if self.stream is None:
            self.stream = self._start()
        return self.stream

    def snapshot(self) -> Completion:
        return self.stream.snapshot if self.stream is not None else Accumulator().completion()

    def read(self) -> Generator[StreamEvent, None]:
        reader = EventReader()
        stream = self.open()
        for chunk in stream:
            for event in reader.feed(chunk):
                yield event
        if not stream.is_cancelled:
            for event in reader.finish():
                yield event
