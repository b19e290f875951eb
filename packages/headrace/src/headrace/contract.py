"""What a correct stream is: feed it the events of one answer, and it names every violation.

    events   := Progress* (Reasoning | Content | call)* Finish
    call     := ToolCallStart ToolCallArguments* ToolCallEnd        text may stand in between
                                                                    (a whole call's start has its arguments)

No piece is empty. Calls are numbered from 0 and follow one another; each has a name, its own id
if it has one, and arguments if it has an end. An answer that was not cut off leaves no call open,
and its reason is `tool_calls` if and only if it called tools.
"""

from headrace.events import (
    Event,
    Finish,
    Progress,
    Text,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)

__all__ = ["Contract"]


class Contract:
    """Watches one answer. `feed` and `finish` return sentences, one for each violation."""

    def __init__(self) -> None:
        self._calls = 0
        self._open = False
        self._has_arguments = False
        self._ids: set[str] = set()
        self._said = False
        self._finished = False

    def feed(self, event: Event) -> list[str]:
        """What is wrong with `event` here."""
        if self._finished:
            return [f"{event} comes after the finish"]
        match event:
            case Text():
                return [f"{event} was not parsed"]
            case Progress():
                return [f"{event} comes after the first words"] if self._said else []
            case Finish():
                return self._finish(event)
        self._said = True
        if isinstance(event, ToolCallStart):
            return self._start(event)
        if isinstance(event, ToolCallArguments | ToolCallEnd):
            if not self._open or event.index != self._calls - 1:
                return [f"{event} belongs to no open call"]
            if isinstance(event, ToolCallEnd):
                self._open = False
                return [] if self._has_arguments else [f"call {event.index} ends without arguments"]
            self._has_arguments = True
        return [] if event.text else [f"{event} is empty"]

    def finish(self) -> list[str]:
        """What is wrong with the end of the stream."""
        return [] if self._finished else ["the stream ends without a finish"]

    def _start(self, event: ToolCallStart) -> list[str]:
        wrong = []
        if self._open:
            wrong.append(f"call {event.index} begins before call {self._calls - 1} has ended")
        if event.index != self._calls:
            wrong.append(f"call {event.index} should have the number {self._calls}")
        if not event.name:
            wrong.append(f"call {event.index} has no name")
        if event.id in self._ids:
            wrong.append(f"call {event.index} has the id of another one, {event.id}")
        self._ids |= {event.id} - {""}
        self._calls += 1
        self._open, self._has_arguments = True, bool(event.arguments)
        return wrong

    def _finish(self, event: Finish) -> list[str]:
        self._finished = True
        wrong = []
        if event.reason in ("stop", "tool_calls"):
            if self._open:
                wrong.append(f"the answer was not cut off, but call {self._calls - 1} has no end")
            if (event.reason == "tool_calls") is not (self._calls > 0):
                wrong.append(f"the reason is {event.reason}, and {self._calls} tools were called")
        return wrong
