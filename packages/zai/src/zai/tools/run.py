"""A tool loop under way: iterate over its events, or read to the last answer."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from headrace.wire.completion import Completion, Message
from zai.streaming.completion_stream import CompletionStream
from zai.streaming.events import StreamEvent, ToolCallDone
from zai.tools.loop import ToolLoop, ToolResult

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
        self._answer: Completion | None = None
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
        goes_on = True
        while goes_on:
            self._loop.begin_round()
            results = []
            with self._start(self._loop) as stream:
                for event in stream:
                    yield event
                    if isinstance(event, ToolCallDone):
                        results.append(self._run(event))
                        yield results[-1]
                self._answer = stream.snapshot
            goes_on = self._loop.end_round(self._answer, results)

    def _run(self, call: ToolCallDone) -> ToolResult:
        try:
            tool, arguments = self._loop.prepare(call)
            return self._loop.succeed(call, tool.function(**arguments))
        except Exception as error:  # noqa: BLE001 - a tool may raise anything; the model is told
            return self._loop.fail(call, error)

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
        assert self._answer is not None
        return self._answer

    def close(self) -> None:
        """Leave: the connection is closed, and the server stops."""
        self._events.close()
