"""A tool loop under way: iterate over its events, or read to the last answer."""

import contextlib
import inspect
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from headrace.wire.completion import Completion, Message
from zai.streaming.completion_stream import CompletionStream
from zai.streaming.events import StreamEvent, ToolCallDone
from zai.tools.loop import INCOMPLETE, ToolLoop, ToolResult, async_function_error

__all__ = ["ToolRun"]


class ToolRun:
    """The events of every round, and a `tool_call.result` for each call, which runs as soon as it is whole.

    Args:
        loop: the conversation.
        start: begins the next round with the messages and tools of the loop.
    """

    def __init__(self, loop: ToolLoop, start: Callable[[ToolLoop], CompletionStream]) -> None:
        self._loop = loop
        self._start = start
        self._stream: CompletionStream | None = None
        self._is_closed = False
        self._events = self._read()

    def __iter__(self) -> Iterator[StreamEvent | ToolResult]:
        return self._events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> Generator[StreamEvent | ToolResult, None, None]:
        while self._loop.completion is None:
            self._loop.begin_round()
            results = []
            self._stream = self._start(self._loop)
            with self._stream as stream:
                for event in stream:
                    yield event
                    if isinstance(event, ToolCallDone) and stream.stream.finish_reason not in INCOMPLETE:
                        results.append(self._run(event))
                        yield results[-1]
                completion = stream.snapshot
            if self._is_closed:
                return
            self._loop.end_round(completion, results)

    def _run(self, call: ToolCallDone) -> ToolResult:
        try:
            tool, arguments = self._loop.prepare(call)
            result = tool.function(**arguments)
            if not inspect.isawaitable(result):
                return self._loop.succeed(call, result)
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model is told
            return self._loop.fail(call, error)
        raise async_function_error(tool)

    @property
    def messages(self) -> Sequence[Mapping[str, Any] | Message]:
        """The conversation so far, ready for another request."""
        return self._loop.messages

    @property
    def rounds(self) -> int:
        """How many answers the model has been asked for."""
        return self._loop.rounds

    def until_done(self) -> Self:
        """Run to the end."""
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> Completion:
        """Run to the end; the last answer."""
        self.until_done()
        return self._loop.final_completion()

    def close(self) -> None:
        """Leave: the connection is closed, and the server stops."""
        self._is_closed = True
        if self._stream is not None:
            self._stream.close()
        with contextlib.suppress(ValueError):  # another thread is reading, and sees the end by itself
            self._events.close()
