# Generated from async_run.py by generate_sync.py: edit that file, and run `make fix`.
"""A running tool loop."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from headrace.wire.completion import Accumulator, Completion, Message
from zai.http.interruptible import AlreadyRunning
from zai.streaming.completion_stream import CompletionStream
from zai.streaming.events import StreamEvent, ToolCallDone
from zai.streaming.iteration import Items
from zai.tools.calls import ToolCalls
from zai.tools.loop import INCOMPLETE, ToolLoop, ToolResult

__all__ = ["ToolRun"]


class ToolRun:
    """An iterator of the events of all rounds, with a `tool_call.result` for each call, in their order.

    Args:
        loop: the conversation.
        start: sends the next request, with the messages and tools of the loop.
    """

    def __init__(self, loop: ToolLoop, start: Callable[[ToolLoop], CompletionStream]) -> None:
        self._loop = loop
        self._rounds = _Rounds(loop, start)
        self._events = Items(self._rounds.read(), self._rounds.snapshot)

    def __iter__(self) -> Iterator[StreamEvent | ToolResult]:
        return self._events

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def messages(self) -> Sequence[Mapping[str, Any] | Message]:
        """The conversation so far, to be continued by another request."""
        return self._loop.messages

    @property
    def rounds(self) -> int:
        """The number of requests so far."""
        return self._loop.rounds

    def until_done(self) -> Self:
        """Run to the end."""
        for _ in self:
            pass
        return self

    def get_final_completion(self) -> Completion:
        """Run to the end and return the last completion."""
        self.until_done()
        return self._loop.final_completion()

    def close(self) -> None:
        """Cancel the calls and close the connection, which stops the server's work."""
        self._rounds.close()
        with contextlib.suppress(AlreadyRunning):  # the other thread's iteration ends by itself
            self._events.close()


class _Rounds:
    """One stream after another.

    Refers to no generator: a reference cycle would keep a run going after it was dropped.
    """

    def __init__(self, loop: ToolLoop, start: Callable[[ToolLoop], CompletionStream]) -> None:
        self._loop = loop
        self._start = start
        self._calls = ToolCalls(loop)
        self._stream: CompletionStream | None = None
        self._is_closed = False

    def snapshot(self) -> Completion:
        """Return what was received in the last round."""
        return self._stream.snapshot if self._stream is not None else Accumulator().completion()

    def read(self) -> Generator[StreamEvent | ToolResult, None]:
        while self._loop.completion is None:
            self._loop.begin_round()
            results: list[ToolResult] = []
            self._stream = self._start(self._loop)
            try:
                with self._stream as stream:
                    for event in stream:
                        yield event
                        if isinstance(event, ToolCallDone) and stream.stream.finish_reason not in INCOMPLETE:
                            for result in self._calls.start(event):
                                results.append(result)
                                yield result
                    completion = stream.snapshot
                for result in self._calls.finish():
                    results.append(result)
                    yield result
            finally:
                self._calls.cancel()
            if self._is_closed:
                return
            self._loop.end_round(completion, results)

    def close(self) -> None:
        self._is_closed = True
        self._calls.cancel()
        if self._stream is not None:
            self._stream.close()
