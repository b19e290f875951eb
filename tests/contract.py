"""The grammar of a correct stream: feed it the events of one answer, and it reports every violation.

    events   := Progress* (Reasoning | Content | call)* Finish
    call     := ToolCallStart ToolCallArguments* ToolCallEnd   text may be interleaved
                                                               (a complete call's start has the arguments)

No fragment is empty. Calls are numbered from 0, in sequence; each has a name, a unique id if it has one,
and arguments if it has an end. In an answer that was not cut off every call has an end, and the finish
reason is `tool_calls` if and only if there are calls.
"""

from typing import assert_never

from headrace.events import (
    Content,
    Event,
    Finish,
    Progress,
    Reasoning,
    Text,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)

__all__ = ["Contract"]


class Contract:
    """The checker of one answer. `feed` and `finish` return a sentence for each violation."""

    def __init__(self) -> None:
        self._calls = 0
        self._is_open = False
        self._has_arguments = False
        self._ids: set[str] = set()
        self._has_output = False
        self._is_finished = False

    def feed(self, event: Event) -> list[str]:
        """Return the violations of the next event."""
        if self._is_finished:
            return [f"{event} comes after the finish"]
        match event:
            case Text():
                return [f"{event} was not parsed"]
            case Progress():
                return [f"{event} comes after output"] if self._has_output else []
            case Reasoning(text) | Content(text):
                self._has_output = True
                return [] if text else [f"{event} is empty"]
            case ToolCallStart():
                self._has_output = True
                return self._start(event)
            case ToolCallArguments() | ToolCallEnd():
                return self._continue(event)
            case Finish():
                return self._finish(event)
            case _:
                assert_never(event)

    def finish(self) -> list[str]:
        """Return the violations of the stream's end."""
        return [] if self._is_finished else ["the stream ends without a finish"]

    def _start(self, event: ToolCallStart) -> list[str]:
        wrong = []
        if self._is_open:
            wrong.append(f"call {event.index} starts before call {self._calls - 1} has ended")
        if event.index != self._calls:
            wrong.append(f"call {event.index} should have the index {self._calls}")
        if not event.name:
            wrong.append(f"call {event.index} has no name")
        if event.id in self._ids:
            wrong.append(f"call {event.index} has the id of another call, {event.id}")
        self._ids |= {event.id} - {""}
        self._calls += 1
        self._is_open, self._has_arguments = True, bool(event.arguments)
        return wrong

    def _continue(self, event: ToolCallArguments | ToolCallEnd) -> list[str]:
        if not self._is_open or event.index != self._calls - 1:
            return [f"{event} belongs to no open call"]
        if isinstance(event, ToolCallEnd):
            self._is_open = False
            return [] if self._has_arguments else [f"call {event.index} ends without arguments"]
        self._has_arguments = True
        return [] if event.text else [f"{event} is empty"]

    def _finish(self, event: Finish) -> list[str]:
        self._is_finished = True
        wrong = []
        if event.reason in ("stop", "tool_calls"):
            if self._is_open:
                wrong.append(f"the answer was not cut off, but call {self._calls - 1} has no end")
            if (event.reason == "tool_calls") is not (self._calls > 0):
                wrong.append(f"the finish reason is {event.reason}, but the number of calls is {self._calls}")
        return wrong
