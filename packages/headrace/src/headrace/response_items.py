"""The items of a Responses answer: how each kind begins, grows and ends as events of the stream."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headrace.wire.responses.custom_input import CustomInput
from headrace.wire.responses.tools import ToolName

__all__ = ["FUNCTION", "MESSAGE", "REASONING", "Item", "Kind", "StreamEvent", "call_item"]

StreamEvent = tuple[str, dict[str, Any]]
"""The type of an event, and its fields besides the type and the number."""


class Kind(msgspec.Struct, frozen=True, eq=False):
    """A kind of item.

    Args:
        type: of the item.
        prefix: of its id.
        text: the name of the events with its text.
        field: of the item, with its text or the part that has it.
        part: the name of the events of that part; "" if the item has none.
        part_index: the field with the index of the part.
        empty: the part without its text.
        deltas: further fields of the events with text.
    """

    type: str
    prefix: str
    text: str
    field: str
    part: str = ""
    part_index: str = ""
    empty: Mapping[str, Any] = {}
    deltas: Mapping[str, Any] = {}


REASONING: Final = Kind(
    "reasoning",
    "rs",
    "response.reasoning_summary_text",
    "summary",
    part="response.reasoning_summary_part",
    part_index="summary_index",
    empty={"type": "summary_text", "text": ""},
)
MESSAGE: Final = Kind(
    "message",
    "msg",
    "response.output_text",
    "content",
    part="response.content_part",
    part_index="content_index",
    empty={"type": "output_text", "text": "", "annotations": [], "logprobs": []},
    deltas={"logprobs": []},
)
FUNCTION: Final = Kind("function_call", "fc", "response.function_call_arguments", "arguments")
_CUSTOM: Final = Kind("custom_tool_call", "ctc", "response.custom_tool_call_input", "input")


class Item:
    """An item that is being written.

    Args:
        kind: of the item.
        turn: the id of the turn.
        index: the position in the output.
        fields: those of this item alone.
    """

    def __init__(self, kind: Kind, turn: str, index: int, fields: Mapping[str, Any]) -> None:
        self.kind = kind
        self.id = f"{kind.prefix}_{turn}_{index}"
        self.index = index
        self.place: dict[str, Any] = {"item_id": self.id, "output_index": index}
        """The fields that identify the text of an event."""
        if kind.part:
            self.place[kind.part_index] = 0
        self._fields = fields
        self.texts: list[str] = []
        """The fragments so far; of a custom tool's input, decoded."""
        self._input = CustomInput() if kind is _CUSTOM else None

    @property
    def is_call(self) -> bool:
        """Whether it is a call of a tool."""
        return not self.kind.part

    @property
    def is_cut(self) -> bool:
        """Whether more text must follow."""
        return self._input is not None and self._input.is_cut

    def begin(self) -> Iterator[StreamEvent]:
        """Yield the events at the beginning."""
        item = self._build("in_progress", [] if self.kind.part else "")
        yield "response.output_item.added", {"output_index": self.index, "item": item}
        if self.kind.part:
            yield f"{self.kind.part}.added", {**self.place, "part": self.kind.empty}

    def add(self, text: str) -> str:
        """Add a fragment of the text, or of the arguments; return the text of its delta, "" for none."""
        if self._input is not None:
            text = self._input.feed(text)
        self.texts.append(text)
        return text

    def rest(self) -> str:
        """Return the text of the last delta, when the item is complete; "" for none."""
        text = self._input.finish() if self._input is not None else ""
        self.texts.append(text)
        return text

    def end(self, status: str) -> Iterator[StreamEvent]:
        """Yield the events at the end."""
        kind, text = self.kind, "".join(self.texts)
        if kind.part:
            yield f"{kind.text}.done", {**self.place, "text": text, **kind.deltas}
            yield f"{kind.part}.done", {**self.place, "part": {**kind.empty, "text": text}}
        else:
            yield f"{kind.text}.done", {**self.place, kind.field: text, "name": self._fields["name"]}
        yield "response.output_item.done", {"output_index": self.index, "item": self.build(status)}

    def build(self, status: str) -> dict[str, Any]:
        """Return the item with its text so far."""
        text = "".join(self.texts)
        return self._build(status, [{**self.kind.empty, "text": text}] if self.kind.part else text)

    def _build(self, status: str, text: Any) -> dict[str, Any]:
        item = {"id": self.id, "type": self.kind.type, "status": status}
        return {**item, **self._fields, self.kind.field: text}


def call_item(tool: ToolName, call_id: str, turn: str, index: int) -> Item:
    """Return an item for a call of this tool."""
    fields = {"call_id": call_id, "name": tool.name}
    if tool.namespace:
        fields["namespace"] = tool.namespace
    return Item(_CUSTOM if tool.kind == "custom_tool_call" else FUNCTION, turn, index, fields)
