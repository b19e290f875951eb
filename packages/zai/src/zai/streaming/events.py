"""What happens in a streamed answer, as typed events; and how chunks become events.

reasoning.delta … reasoning.done → content.delta … content.done
→ (tool_call.start → tool_call.arguments.delta … → tool_call.done) for each call → usage → finish
"""

from typing import Any, Literal

import msgspec

from headrace.wire.chunk import Chunk, ChunkChoice, ToolCallDelta
from headrace.wire.completion import call_number, text_of
from headrace.wire.usage import Usage
from zai.streaming.partial_json import PartialJson

__all__ = [
    "ContentDelta",
    "ContentDone",
    "EventReader",
    "Finish",
    "ReasoningDelta",
    "ReasoningDone",
    "StreamEvent",
    "ToolCallArgumentsDelta",
    "ToolCallDone",
    "ToolCallStart",
    "UsageReport",
]


class ReasoningDelta(msgspec.Struct, frozen=True):
    """A piece of the thinking."""

    delta: str
    type: Literal["reasoning.delta"] = "reasoning.delta"


class ReasoningDone(msgspec.Struct, frozen=True):
    """The thinking, whole; `text` joins the deltas since the last one that was done."""

    text: str
    type: Literal["reasoning.done"] = "reasoning.done"


class ContentDelta(msgspec.Struct, frozen=True):
    """A piece of the answer."""

    delta: str
    type: Literal["content.delta"] = "content.delta"


class ContentDone(msgspec.Struct, frozen=True):
    """The answer, whole; `text` joins the deltas since the last one that was done."""

    text: str
    type: Literal["content.done"] = "content.done"


class ToolCallStart(msgspec.Struct, frozen=True):
    """The model calls a tool; its arguments follow."""

    index: int
    id: str
    name: str
    type: Literal["tool_call.start"] = "tool_call.start"


class ToolCallArgumentsDelta(msgspec.Struct, frozen=True):
    """A piece of a call's arguments."""

    index: int
    id: str
    name: str
    delta: str
    _partial: PartialJson
    type: Literal["tool_call.arguments.delta"] = "tool_call.arguments.delta"

    @property
    def parsed(self) -> Any:
        """The arguments as far as they have come: an object that grows; copy it to keep a state of it."""
        return self._partial.value


class ToolCallDone(msgspec.Struct, frozen=True):
    """A call is whole: `arguments` as text, and parsed; None where the text is no JSON."""

    index: int
    id: str
    name: str
    arguments: str
    parsed: Any
    type: Literal["tool_call.done"] = "tool_call.done"


class UsageReport(msgspec.Struct, frozen=True):
    """The count of tokens."""

    usage: Usage
    type: Literal["usage"] = "usage"


class Finish(msgspec.Struct, frozen=True):
    """The end, and why: `stop`, `tool_calls`, `length`, or what else the server says."""

    reason: str
    type: Literal["finish"] = "finish"


StreamEvent = (
    ReasoningDelta
    | ReasoningDone
    | ContentDelta
    | ContentDone
    | ToolCallStart
    | ToolCallArgumentsDelta
    | ToolCallDone
    | UsageReport
    | Finish
)


class EventReader:
    """Chunks in, events out.

    A call is told as soon as its name is known. It is whole at the end, or when something else begins and its
    arguments are JSON. Calls are counted from 0 in the order in which they begin, as in the whole answer,
    whatever the server calls them. Of several choices the first is told, whose index is 0.
    """

    def __init__(self) -> None:
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._last_call: _Call | None = None
        self._usage: Usage | None = None
        self._reason: str | None = None

    def feed(self, chunk: Chunk) -> list[StreamEvent]:
        """What a chunk tells."""
        if chunk.usage is not None:
            self._usage = chunk.usage
        events: list[StreamEvent] = []
        for choice in chunk.choices or ():
            if not choice.index:
                self._feed_choice(choice, events)
        return events

    def _feed_choice(self, choice: ChunkChoice, events: list[StreamEvent]) -> None:
        if (delta := choice.delta) is not None:
            if delta.reasoning_content:
                self._end(events, reasoning=False)
                self._reasoning.append(text_of(delta.reasoning_content))
                events.append(ReasoningDelta(self._reasoning[-1]))
            if delta.content:
                self._end(events, content=False)
                self._content.append(text_of(delta.content))
                events.append(ContentDelta(self._content[-1]))
            for position, call in enumerate(delta.tool_calls or ()):
                self._feed_call(call_number(call, position), call, events)
        if choice.finish_reason:
            self._reason = choice.finish_reason
            self._end_all(events)

    def finish(self) -> list[StreamEvent]:
        """What the end of the stream tells; the usage may have come after the finish_reason."""
        events: list[StreamEvent] = []
        self._end_all(events)
        if self._usage is not None:
            events.append(UsageReport(self._usage))
        events.append(Finish(self._reason or "stop"))
        return events

    def _feed_call(self, index: int, delta: ToolCallDelta, events: list[StreamEvent]) -> None:
        call = self._calls.setdefault(index, _Call(len(self._calls)))
        if call is not self._last_call:
            self._end(events)
            self._last_call = call
        events += call.add(delta)

    def _end(self, events: list[StreamEvent], *, reasoning: bool = True, content: bool = True) -> None:
        """What came before is done, since something else begins."""
        if reasoning and self._reasoning:
            events.append(ReasoningDone("".join(self._reasoning)))
            self._reasoning.clear()
        if content and self._content:
            events.append(ContentDone("".join(self._content)))
            self._content.clear()
        # A server may write several calls at once: one that is not whole yet may go on.
        if self._last_call is not None and self._last_call.partial.is_whole:
            events += self._last_call.end()

    def _end_all(self, events: list[StreamEvent]) -> None:
        self._end(events)
        for call in self._calls.values():
            events += call.end()


class _Call:
    """Some servers repeat id and name, or send them empty: the first that is not empty wins."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []
        self.partial = PartialJson()
        self._is_announced = False
        self._is_done = False

    def add(self, delta: ToolCallDelta) -> list[StreamEvent]:
        """What a piece tells: nothing before the name is known."""
        self.id = self.id or delta.id or ""
        text = ""
        if (function := delta.function) is not None:
            self.name = self.name or function.name or ""
            text = text_of(function.arguments or "")
            self.arguments.append(text)
            self.partial.feed(text)
        if self._is_announced:
            return self._tell(text)
        return self._announce() if self.name else []

    def end(self) -> list[StreamEvent]:
        """That it is whole, once."""
        if self._is_done:
            return []
        self._is_done = True
        arguments = "".join(self.arguments)
        try:
            parsed = msgspec.json.decode(arguments or "{}")
        except (ValueError, RecursionError):
            parsed = None
        done = ToolCallDone(self.index, self.id, self.name, arguments, parsed)
        return [done] if self._is_announced else [*self._announce(), done]

    def _announce(self) -> list[StreamEvent]:
        self._is_announced = True
        return [ToolCallStart(self.index, self.id, self.name), *self._tell("".join(self.arguments))]

    def _tell(self, text: str) -> list[StreamEvent]:
        if not text:
            return []
        return [ToolCallArgumentsDelta(self.index, self.id, self.name, text, self.partial)]
