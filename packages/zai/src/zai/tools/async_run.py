"""A running tool loop for asyncio."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from headrace.wire.completion import Accumulator, Completion, Message
from zai.http.async_interruptible import AlreadyRunning
from zai.streaming.async_completion_stream import AsyncCompletionStream
from zai.streaming.async_iteration import AsyncItems
from zai.streaming.events import StreamEvent, ToolCallDone
from zai.tools.async_calls import AsyncToolCalls
from zai.tools.loop import INCOMPLETE, ToolLoop, ToolResult

__all__ = ["AsyncToolRun"]


class AsyncToolRun:
    """An iterator of the events of all rounds, with a `tool_call.result` for each call, in their order.

    Args:
        loop: the conversation.
        start: sends the next request, with the messages and tools of the loop.
    """

    def __init__(self, loop: ToolLoop, start: Callable[[ToolLoop], AsyncCompletionStream]) -> None:
        self._loop = loop
        self._rounds = _Rounds(loop, start)
        self._events = AsyncItems(self._rounds.read(), self._rounds.snapshot)

    def __aiter__(self) -> AsyncIterator[StreamEvent | ToolResult]:
        return self._events

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def messages(self) -> Sequence[Mapping[str, Any] | Message]:
        """The conversation so far, to be continued by another request."""
        return self._loop.messages

    @property
    def rounds(self) -> int:
        """The number of requests so far."""
        return self._loop.rounds

    async def until_done(self) -> Self:
        """Run to the end."""
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> Completion:
        """Run to the end and return the last completion."""
        await self.until_done()
        return self._loop.final_completion()

    async def close(self) -> None:
        """Cancel the calls and close the connection, which stops the server's work."""
        await self._rounds.close()
        with contextlib.suppress(AlreadyRunning):  # the other task's iteration ends by itself
            await self._events.aclose()


class _Rounds:
    """One stream after another.

    Refers to no generator: a reference cycle would keep a run going after it was dropped.
    """

    def __init__(self, loop: ToolLoop, start: Callable[[ToolLoop], AsyncCompletionStream]) -> None:
        self._loop = loop
        self._start = start
        self._calls = AsyncToolCalls(loop)
        self._stream: AsyncCompletionStream | None = None
        self._is_closed = False

    def snapshot(self) -> Completion:
        """Return what was received in the last round."""
        return self._stream.snapshot if self._stream is not None else Accumulator().completion()

    async def read(self) -> AsyncGenerator[StreamEvent | ToolResult, None]:
        while self._loop.completion is None:
            self._loop.begin_round()
            results: list[ToolResult] = []
            self._stream = self._start(self._loop)
            try:
                async with self._stream as stream:
                    async for event in stream:
                        yield event
                        if isinstance(event, ToolCallDone) and stream.stream.finish_reason not in INCOMPLETE:
                            for result in self._calls.start(event):
                                results.append(result)
                                yield result
                    completion = stream.snapshot
                async for result in self._calls.finish():
                    results.append(result)
                    yield result
            finally:
                self._calls.cancel()
            if self._is_closed:
                return
            self._loop.end_round(completion, results)

    async def close(self) -> None:
        self._is_closed = True
        self._calls.cancel()
        if self._stream is not None:
            await self._stream.close()
