"""Calling tools in a blocking program: one after the other, while the model's stream waits."""

import inspect
from collections.abc import Iterable

from zai.errors import ZaiError
from zai.streaming.events import ToolCallDone
from zai.tools.function import ToolFunction
from zai.tools.loop import ToolLoop, ToolResult

__all__ = ["ToolCalls"]


class ToolCalls:
    """The calls of one round.

    Args:
        loop: the tools; raises if one of them is async.
    """

    def __init__(self, loop: ToolLoop) -> None:
        self._loop = loop
        for tool in loop.tools.values():
            if tool.is_async:
                raise _async_error(tool)

    def start(self, call: ToolCallDone) -> Iterable[ToolResult]:
        """Run the call and return its result."""
        try:
            tool, arguments = self._loop.prepare(call)
            result = tool.function(**arguments)
            if not inspect.isawaitable(result):
                return [self._loop.succeed(call, result)]
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model gets the error
            return [self._loop.fail(call, error)]
        raise _async_error(tool)

    def finish(self) -> Iterable[ToolResult]:
        """Return nothing: no call is still running."""
        return []

    def cancel(self) -> None:
        """Do nothing: no call is still running."""


def _async_error(tool: ToolFunction) -> ZaiError:
    return ZaiError(f"{tool.name} is async; use AsyncZaiClient, or a plain function")
