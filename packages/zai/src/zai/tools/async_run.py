"""A tool loop for asyncio under way: iterate over its events, or read to the last answer."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from headrace.wire.completion import Completion, Message
from zai.streaming.async_completion_stream import AsyncCompletionStream
from zai.streaming.events import StreamEvent, ToolCallDone
from zai.tools.loop import INCOMPLETE, ToolLoop, ToolResult

__all__ = ["AsyncToolRun"]


class AsyncToolRun:
    """The events of every round, and a `tool_call.result` for each call.

    A call starts as soon as it is whole, while the model still writes the next; plain functions run in a
    thread. The results come in the order of the calls.

    Args:
        loop: the conversation.
        start: begins the next round with the messages and tools of the loop.
    """

    def __init__(self, loop: ToolLoop, start: Callable[[ToolLoop], AsyncCompletionStream]) -> None:
        self._loop = loop
        self._start = start
        self._stream: AsyncCompletionStream | None = None
        self._running: dict[asyncio.Task[ToolResult], ToolCallDone] = {}
        self._is_closed = False
        self._events = self._read()

    def __aiter__(self) -> AsyncIterator[StreamEvent | ToolResult]:
        return self._events

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _read(self) -> AsyncGenerator[StreamEvent | ToolResult, None]:
        while self._loop.completion is None:
            self._loop.begin_round()
            self._running = {}
            try:
                self._stream = self._start(self._loop)
                async with self._stream as stream:
                    async for event in stream:
                        yield event
                        if isinstance(event, ToolCallDone) and stream.stream.finish_reason not in INCOMPLETE:
                            self._running[asyncio.create_task(self._run(event))] = event
                    completion = stream.snapshot
                results = []
                for task, call in self._running.items():
                    await asyncio.wait([task])
                    if self._is_closed:
                        return
                    results.append(self._result(task, call))
                    yield results[-1]
            finally:
                self._stop_calls()
            if self._is_closed:
                return
            self._loop.end_round(completion, results)

    async def _run(self, call: ToolCallDone) -> ToolResult:
        try:
            tool, arguments = self._loop.prepare(call)
            if tool.is_async:
                result = tool.function(**arguments)
            else:
                result = await asyncio.to_thread(_call, tool.function, arguments)
            if inspect.isawaitable(result):  # a decorator may hide that a function is async
                result = await result
            return self._loop.succeed(call, result)
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model is told
            return self._loop.fail(call, error)

    def _result(self, task: asyncio.Task[ToolResult], call: ToolCallDone) -> ToolResult:
        if task.cancelled():  # by the function itself
            return self._loop.fail(call, RuntimeError(f"{call.name} was cancelled"))
        return task.result()

    def _stop_calls(self) -> None:
        for task in self._running:
            task.cancel()

    @property
    def messages(self) -> Sequence[Mapping[str, Any] | Message]:
        """The conversation so far, ready for another request."""
        return self._loop.messages

    @property
    def rounds(self) -> int:
        """How many answers the model has been asked for."""
        return self._loop.rounds

    async def until_done(self) -> Self:
        """Run to the end."""
        async for _ in self:
            pass
        return self

    async def get_final_completion(self) -> Completion:
        """Run to the end; the last answer."""
        await self.until_done()
        return self._loop.final_completion()

    async def close(self) -> None:
        """Leave: the connection is closed, and the server stops."""
        self._is_closed = True
        self._stop_calls()
        if self._stream is not None:
            await self._stream.close()
        with contextlib.suppress(RuntimeError):  # another task is reading, and sees the end by itself
            await self._events.aclose()


def _call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return function(**arguments)
    except StopIteration as error:  # no future can hold one: whoever waits for it waits for ever
        msg = f"{function.__name__} raised StopIteration"
        raise RuntimeError(msg) from error
