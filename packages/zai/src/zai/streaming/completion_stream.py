"""A streamed answer as events, as text, or as the whole that it becomes."""

import contextlib
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import Self

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion
from zai.streaming.events import ContentDelta, EventReader, ReasoningDelta, StreamEvent
from zai.streaming.stream import Stream

__all__ = ["CompletionStream"]


class CompletionStream:
    """Events in their order. Made by `chat.completions.stream(…)`; the request is sent on first use.

    Args:
        start: sends the request.
    """

    def __init__(self, start: Callable[[], Stream[Chunk]]) -> None:
        self._opener = _Opener(start)
        self._events = self._opener.read()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self._events

    def __next__(self) -> StreamEvent:
        return next(self._events)

    def __enter__(self) -> Self:
        _ = self.stream
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def stream(self) -> Stream[Chunk]:
        """The chunks below, with the response, the ids and the usage."""
        return self._opener.open()

    @property
    def text_stream(self) -> Iterator[str]:
        """Only the answer's text, piece by piece."""
        return (event.delta for event in self if isinstance(event, ContentDelta))

    @property
    def reasoning_stream(self) -> Iterator[str]:
        """Only the thinking, piece by piece."""
        return (event.delta for event in self if isinstance(event, ReasoningDelta))

    @property
    def snapshot(self) -> Completion:
        """The answer as far as it has come."""
        return self.stream.snapshot

    def until_done(self) -> Self:
        """Read to the end."""
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> Completion:
        """Read to the end; the whole answer. Half of one raises, each time."""
        return self.until_done().stream.collect()

    def close(self) -> None:
        """Leave: the connection is closed, and the server stops."""
        if self._opener.stream is not None:
            self._opener.stream.close()
        with contextlib.suppress(ValueError):  # another thread is reading, and sees the end by itself
            self._events.close()

    def cancel(self) -> None:
        """End the loop that reads, in whichever thread, quietly and at once."""
        self.stream.cancel()


class _Opener:
    """Sends the request on first use. Refers to no generator: a cycle would keep a dropped stream open."""

    def __init__(self, start: Callable[[], Stream[Chunk]]) -> None:
        self._start = start
        self.stream: Stream[Chunk] | None = None

    def open(self) -> Stream[Chunk]:
        if self.stream is None:
            self.stream = self._start()
        return self.stream

    def read(self) -> Generator[StreamEvent, None, None]:
        reader = EventReader()
        stream = self.open()
        for chunk in stream:
            yield from reader.feed(chunk)
        if not stream.is_cancelled:
            yield from reader.finish()
