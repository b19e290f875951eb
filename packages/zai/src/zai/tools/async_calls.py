"""Calling tools in asyncio: all calls of a round at the same time, plain functions in threads."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from zai.streaming.events import ToolCallDone
from zai.tools.loop import ToolLoop, ToolResult

__all__ = ["AsyncToolCalls"]


class AsyncToolCalls:
    """The calls of one round.

    Args:
        loop: the tools.
    """

    def __init__(self, loop: ToolLoop) -> None:
        self._loop = loop
        self._running: dict[asyncio.Task[ToolResult], ToolCallDone] = {}

    def start(self, call: ToolCallDone) -> Iterable[ToolResult]:
        """Start the call in a task; return nothing yet."""
        self._running[asyncio.create_task(self._run(call))] = call
        return ()

    async def finish(self) -> AsyncIterator[ToolResult]:
        """Wait for the calls; yield the results in the calls' order."""
        while self._running:
            task, call = next(iter(self._running.items()))
            await asyncio.wait([task])
            if self._running.pop(task, None) is None:  # `cancel` was called
                return
            if task.cancelled():  # by the function itself
                yield self._loop.fail(call, RuntimeError(f"{call.name} was cancelled"))
            else:
                yield task.result()

    def cancel(self) -> None:
        """Cancel the calls that are running."""
        for task in self._running:
            task.cancel()
        self._running = {}

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
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model gets the error
            return self._loop.fail(call, error)


def _call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return function(**arguments)
    except StopIteration as error:  # a future cannot hold one: its awaiter would wait forever
        msg = f"{function.__name__} raised StopIteration"
        raise RuntimeError(msg) from error
