"""A streamed completion for asyncio, as events or as text."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Protocol, Self

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Accumulator, Completion
from zai.errors import ZaiError
from zai.http.async_interruptible import AlreadyRunning
from zai.streaming.async_iteration import AsyncItems
from zai.streaming.async_stream import AsyncStream
from zai.streaming.events import ContentDelta, EventReader, ReasoningDelta, StreamEvent

__all__ = ["AsyncCompletionStream"]


class _Start(Protocol):
    """Sends the request."""

    async def __call__(self) -> AsyncStream[Chunk]: ...


class AsyncCompletionStream:
    """An iterator of events, returned by `chat.completions.stream()`; the request is sent on first use."""

    def __init__(self, start: _Start) -> None:
        self._opener = _Opener(start)
        self._events = AsyncItems(self._opener.read(), self._opener.snapshot)

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._events

    async def __anext__(self) -> StreamEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        await self._opener.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def stream(self) -> AsyncStream[Chunk]:
        """The underlying stream of chunks, with the response, the ids and the usage."""
        if self._opener.stream is None:
            # sync: `return self._opener.open()`
            raise ZaiError("the request has not been sent yet; use `async with`, or iterate over the stream")
        return self._opener.stream

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """The deltas of the text."""
        return self._deltas(ContentDelta)

    @property
    def reasoning_stream(self) -> AsyncIterator[str]:
        """The deltas of the reasoning."""
        return self._deltas(ReasoningDelta)

    @property
    def snapshot(self) -> Completion:
        """The completion received so far."""
        return self.stream.snapshot

    def _deltas(self, kind: type[ContentDelta | ReasoningDelta]) -> AsyncItems[str]:
        deltas = (event.delta async for event in self if isinstance(event, kind))
        return AsyncItems(deltas, self._opener.snapshot)

    async def until_done(self) -> Self:
        """Read to the end."""
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> Completion:
        """Read to the end and return the completion; raise if it is incomplete."""
        await self.until_done()
        return await self.stream.collect()

    async def close(self) -> None:
        """Close the connection, which stops the server's work."""
        if self._opener.stream is not None:
            await self._opener.stream.close()
        with contextlib.suppress(AlreadyRunning):  # the other task's iteration ends by itself
            await self._events.aclose()

    aclose = close

    def cancel(self) -> None:
        """End the iteration at once, without an error; another task of the event loop may call this."""
        self.stream.cancel()


class _Opener:
    """Sends the request on first use.

    Refers to no generator: a reference cycle would keep a stream open after it was dropped.
    """

    def __init__(self, start: _Start) -> None:
        self._start = start
        self.stream: AsyncStream[Chunk] | None = None

    async def open(self) -> AsyncStream[Chunk]:
        if self.stream is None:
            self.stream = await self._start()
        return self.stream

    def snapshot(self) -> Completion:
        return self.stream.snapshot if self.stream is not None else Accumulator().completion()

    async def read(self) -> AsyncGenerator[StreamEvent, None]:
        reader = EventReader()
        stream = await self.open()
        async for chunk in stream:
            for event in reader.feed(chunk):
                yield event
        if not stream.is_cancelled:
            for event in reader.finish():
                yield event
