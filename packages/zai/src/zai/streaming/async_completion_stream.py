"""A streamed answer for asyncio as events, as text, or as the whole that it becomes."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Self

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion
from zai.errors import ZaiError
from zai.streaming.async_stream import AsyncStream
from zai.streaming.events import ContentDelta, EventReader, ReasoningDelta, StreamEvent

__all__ = ["AsyncCompletionStream"]


class AsyncCompletionStream:
    """Events in their order. Made by `chat.completions.stream(…)`; the request is sent on first use.

    Args:
        start: sends the request.
    """

    def __init__(self, start: Callable[[], Awaitable[AsyncStream[Chunk]]]) -> None:
        self._opener = _Opener(start)
        self._events = self._opener.read()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self._events

    async def __anext__(self) -> StreamEvent:
        return await anext(self._events)

    async def __aenter__(self) -> Self:
        await self._opener.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def stream(self) -> AsyncStream[Chunk]:
        """The chunks below, with the response, the ids and the usage."""
        if self._opener.stream is None:
            msg = "the request has not been sent yet; use the stream in `async with`, or iterate over it"
            raise ZaiError(msg)
        return self._opener.stream

    @property
    def text_stream(self) -> AsyncIterator[str]:
        """Only the answer's text, piece by piece."""
        return (event.delta async for event in self if isinstance(event, ContentDelta))

    @property
    def reasoning_stream(self) -> AsyncIterator[str]:
        """Only the thinking, piece by piece."""
        return (event.delta async for event in self if isinstance(event, ReasoningDelta))

    @property
    def snapshot(self) -> Completion:
        """The answer as far as it has come."""
        return self.stream.snapshot

    async def until_done(self) -> Self:
        """Read to the end."""
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> Completion:
        """Read to the end; the whole answer. Half of one raises, each time."""
        return await (await self.until_done()).stream.collect()

    async def close(self) -> None:
        """Leave: the connection is closed, and the server stops."""
        if self._opener.stream is not None:
            await self._opener.stream.close()
        with contextlib.suppress(RuntimeError):  # another task is reading, and sees the end by itself
            await self._events.aclose()

    aclose = close

    def cancel(self) -> None:
        """End the loop that reads, in whichever task of this event loop, quietly and at once."""
        self.stream.cancel()


class _Opener:
    """Sends the request on first use. Refers to no generator: a cycle would keep a dropped stream open."""

    def __init__(self, start: Callable[[], Awaitable[AsyncStream[Chunk]]]) -> None:
        self._start = start
        self.stream: AsyncStream[Chunk] | None = None

    async def open(self) -> AsyncStream[Chunk]:
        if self.stream is None:
            self.stream = await self._start()
        return self.stream

    async def read(self) -> AsyncGenerator[StreamEvent, None]:
        reader = EventReader()
        stream = await self.open()
        async for chunk in stream:
            for event in reader.feed(chunk):
                yield event
        if not stream.is_cancelled:
            for event in reader.finish():
                yield event
