"""The typed events of a streamed completion, and the reader that makes them from chunks.

reasoning.delta … reasoning.done → content.delta … content.done
→ (tool_call.start → tool_call.arguments.delta … → tool_call.done) for each call → usage → finish
"""

from typing import Any, Literal, assert_never

import msgspec

from headrace import events
from headrace.wire.call_assembler import CallAssembler
from headrace.wire.chunk import Chunk, ChunkChoice, Usage, text_of
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
    """A fragment of the reasoning."""

    delta: str
    type: Literal["reasoning.delta"] = "reasoning.delta"


class ReasoningDone(msgspec.Struct, frozen=True):
    """The complete reasoning: the deltas since the previous `ReasoningDone`, joined."""

    text: str
    type: Literal["reasoning.done"] = "reasoning.done"


class ContentDelta(msgspec.Struct, frozen=True):
    """A fragment of the content."""

    delta: str
    type: Literal["content.delta"] = "content.delta"


class ContentDone(msgspec.Struct, frozen=True):
    """The complete content: the deltas since the previous `ContentDone`, joined."""

    text: str
    type: Literal["content.done"] = "content.done"


class ToolCallStart(msgspec.Struct, frozen=True):
    """The start of a tool call; its arguments follow."""

    index: int
    id: str
    name: str
    type: Literal["tool_call.start"] = "tool_call.start"


class ToolCallArgumentsDelta(msgspec.Struct, frozen=True):
    """A fragment of a call's arguments."""

    index: int
    id: str
    name: str
    delta: str
    _partial: PartialJson
    type: Literal["tool_call.arguments.delta"] = "tool_call.arguments.delta"

    @property
    def parsed(self) -> Any:
        """The arguments received so far: an object that grows; copy it to keep its current state."""
        return self._partial.value


class ToolCallDone(msgspec.Struct, frozen=True):
    """The end of a call. `parsed` is None if `arguments` is not JSON, as in a truncated call."""

    index: int
    id: str
    name: str
    arguments: str
    parsed: Any
    type: Literal["tool_call.done"] = "tool_call.done"


class UsageReport(msgspec.Struct, frozen=True):
    """The token counts."""

    usage: Usage
    type: Literal["usage"] = "usage"


class Finish(msgspec.Struct, frozen=True):
    """The end of the answer; `reason` is `stop`, `tool_calls`, `length` or another of the server's."""

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
    """Converts chunks to events.

    A call starts when its name is certain, and ends when the next one starts or the answer ends. Calls are
    numbered from 0, as in the completion, whatever their index is. Only choice 0 is read.
    """

    def __init__(self) -> None:
        self._reasoning: list[str] = []
        self._content: list[str] = []
        self._assembler = CallAssembler()
        self._calls: list[_Call] = []
        self._usage: Usage | None = None
        self._reason: str | None = None

    def feed(self, chunk: Chunk) -> list[StreamEvent]:
        """Return the events of a chunk."""
        if chunk.usage is not None:
            self._usage = chunk.usage
        out: list[StreamEvent] = []
        for choice in chunk.choices or ():
            if not choice.index:
                self._feed_choice(choice, out)
        return out

    def _feed_choice(self, choice: ChunkChoice, out: list[StreamEvent]) -> None:
        if (delta := choice.delta) is not None:
            if delta.reasoning_content:
                self._end_content(out)
                self._reasoning.append(text_of(delta.reasoning_content))
                out.append(ReasoningDelta(self._reasoning[-1]))
            if delta.content:
                self._end_reasoning(out)
                self._content.append(text_of(delta.content))
                out.append(ContentDelta(self._content[-1]))
            if delta.tool_calls:
                self._end_text(out)
                for call in delta.tool_calls:
                    out += map(self._typed, self._assembler.feed(call, is_last=bool(choice.finish_reason)))
        if choice.finish_reason:
            self._reason = choice.finish_reason
            self._end_all(out)

    def finish(self) -> list[StreamEvent]:
        """Return the last events; the usage may have come after the finish_reason."""
        out: list[StreamEvent] = []
        self._end_all(out)
        if self._usage is not None:
            out.append(UsageReport(self._usage))
        out.append(Finish(self._reason or "stop"))
        return out

    def _end_all(self, out: list[StreamEvent]) -> None:
        self._end_text(out)
        out += map(self._typed, self._assembler.finish(self._reason or "stop"))
        out += [call.end() for call in self._calls if not call.is_done]

    def _end_text(self, out: list[StreamEvent]) -> None:
        self._end_reasoning(out)
        self._end_content(out)

    def _end_reasoning(self, out: list[StreamEvent]) -> None:
        if self._reasoning:
            out.append(ReasoningDone("".join(self._reasoning)))
            self._reasoning.clear()

    def _end_content(self, out: list[StreamEvent]) -> None:
        if self._content:
            out.append(ContentDone("".join(self._content)))
            self._content.clear()

    def _typed(self, event: events.CallEvent) -> StreamEvent:
        match event:
            case events.ToolCallArguments():
                return self._calls[event.index].add(event.text)
            case events.ToolCallStart(index, name, id):
                self._calls.append(_Call(index, id, name))
                return ToolCallStart(index, id, name)
            case events.ToolCallEnd(index):
                return self._calls[index].end()
            case _:
                assert_never(event)


class _Call:
    def __init__(self, index: int, id: str, name: str) -> None:
        self.is_done = False
        self._index = index
        self._id = id
        self._name = name
        self._arguments: list[str] = []
        self._partial = PartialJson()

    def add(self, text: str) -> ToolCallArgumentsDelta:
        self._arguments.append(text)
        self._partial.feed(text)
        return ToolCallArgumentsDelta(self._index, self._id, self._name, text, self._partial)

    def end(self) -> ToolCallDone:
        self.is_done = True
        arguments = "".join(self._arguments)
        try:
            parsed = msgspec.json.decode(arguments)
        except (ValueError, RecursionError):
            parsed = None
        return ToolCallDone(self._index, self._id, self._name, arguments, parsed)
