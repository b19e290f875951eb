"""Events → chunks of the API. Pure: a replay of the same events gives the same chunks."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, assert_never

import msgspec

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
from headrace.wire.chunk import Chunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta, usage_of

__all__ = ["ChunkEncoder", "encode_chunk", "merge", "merge_counted"]

_ENCODE: Final = msgspec.json.Encoder().encode
_TextEvent = Content | Reasoning | ToolCallArguments
_TEXTS: Final = (Content, Reasoning, ToolCallArguments)  # faster than their union
# The official SDK splits lines at these characters and crashes. JSON allows to escape them.
_LINE_ENDS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


class ChunkEncoder:
    """The encoder of one turn.

    Args:
        id: the turn's id. The ids of calls are derived from it unless the model generated one, so that a
            replay has the same ids.
        created: start of the turn, in seconds since the epoch.
        model: the model's name in the request.
        repeats_role: whether every text delta has a `role`, as Z.ai's do. Otherwise only the answer's first
            delta has one, as with OpenAI, whose Python client concatenates the strings of all deltas.
    """

    def __init__(self, id: str, created: int, model: str, *, repeats_role: bool = True) -> None:
        self._id = id
        self._created = created
        self._model = model
        self._repeats_role = repeats_role
        self._around_delta: tuple[bytes, bytes] | None = None  # the JSON before and after it
        self._around_text: dict[object, tuple[bytes, bytes]] = {}  # the same, by the kind of text

    def encode(self, event: Event, *, is_first: bool = False) -> Chunk | None:
        """Return the chunk of an event; None for an event that clients do not receive.

        Args:
            event: the event.
            is_first: whether it is the first of its answer.
        """
        chunk = self._encode(event)
        if chunk is not None and not self._repeats_role:
            chunk.choices[0].delta.role = "assistant" if is_first else None
        return chunk

    def encode_json(self, event: Event, *, is_first: bool = False) -> bytes | None:
        """Return the JSON of the chunk that `encode` returns; a text delta is encoded without building it."""
        if (is_first and not self._repeats_role) or not isinstance(event, _TEXTS):
            chunk = self.encode(event, is_first=is_first)
            return None if chunk is None else encode_chunk(chunk)
        kind = (type(event), event.index) if isinstance(event, ToolCallArguments) else type(event)
        try:
            before, after = self._around_text[kind]
        except KeyError:
            before, after = self._around_text[kind] = self._surroundings(event)
        text = _ENCODE(event.text)
        return b"%b%b%b" % (before, text if text.isascii() else _with_escaped_line_ends(text), after)

    def _surroundings(self, event: _TextEvent) -> tuple[bytes, bytes]:
        """Return the JSON before and after the text of an event's chunk."""
        if self._around_delta is None:
            before, _, after = encode_chunk(self._chunk(Delta())).rpartition(b"{}")
            self._around_delta = before, after
        before, after = self._around_delta
        empty = msgspec.structs.replace(event, text="")
        delta_before, delta_after = _around_text(empty, "assistant" if self._repeats_role else None)
        return before + delta_before, delta_after + after

    def _encode(self, event: Event) -> Chunk | None:
        match event:
            case Content() | Reasoning() | ToolCallArguments():
                return self._chunk(_text_delta(event, "assistant"))
            case ToolCallStart(index, name, call_id, arguments):
                function = FunctionDelta(name=name, arguments=arguments)
                id = call_id or self._call_id(index)
                return self._call(ToolCallDelta(id=id, index=index, type="function", function=function))
            case Finish(reason, usage):
                chunk = self._chunk(Delta(role="assistant", content=""), reason)
                chunk.usage = usage_of(usage)
                return chunk
            case Text() | Progress() | ToolCallEnd():
                return None
            case _:
                assert_never(event)

    def _chunk(self, delta: Delta, finish_reason: str | None = None) -> Chunk:
        return Chunk(
            id=self._id,
            created=self._created,
            object="chat.completion.chunk",
            model=self._model,
            choices=[ChunkChoice(index=0, finish_reason=finish_reason, delta=delta)],
        )

    def _call(self, call: ToolCallDelta) -> Chunk:
        return self._chunk(Delta(tool_calls=[call]))

    def _call_id(self, index: int) -> str:
        digest = hashlib.blake2b(f"{self._id}:{index}".encode(), digest_size=12)
        return f"call_{digest.hexdigest()}"


def _text_delta(event: _TextEvent, role: str | None) -> Delta:
    match event:
        case Content(text):
            return Delta(role=role, content=text)
        case Reasoning(text):
            return Delta(role=role, reasoning_content=text)
        case ToolCallArguments(index, text):
            call = ToolCallDelta(index=index, type="function", function=FunctionDelta(arguments=text))
            return Delta(tool_calls=[call])


@lru_cache(maxsize=128)
def _around_text(empty: _TextEvent, role: str | None) -> tuple[bytes, bytes]:
    """Return the JSON of a delta before and after its text, the same for all turns."""
    before, _, after = _ENCODE(_text_delta(empty, role)).rpartition(b'""')
    return before, after


def encode_chunk(chunk: Chunk) -> bytes:
    """Encode as JSON without line ends of any kind, U+0085, U+2028 and U+2029 included."""
    return _with_escaped_line_ends(_ENCODE(chunk))


def _with_escaped_line_ends(data: bytes) -> bytes:
    for raw, escaped in _LINE_ENDS:
        if raw in data:
            data = data.replace(raw, escaped)
    return data


def merge(events: Iterable[Event]) -> list[Event]:
    """Join adjacent fragments of the same kind, as slow readers receive them."""
    return [event for event, _ in merge_counted(list(events))]


def merge_counted(events: Sequence[Event]) -> list[tuple[Event, int]]:
    """Merge, and return with each event the number of events it replaces."""
    if len(events) == 1:
        return [(events[0], 1)]
    runs: list[list[Event]] = []
    for event in events:
        if runs and _continues(runs[-1][0], event):
            runs[-1].append(event)
        else:
            runs.append([event])
    return [(_joined(run), len(run)) for run in runs]


def _joined(run: list[Event]) -> Event:
    if len(run) == 1:
        return run[0]
    text = "".join([event.text for event in run if isinstance(event, _TEXTS)])
    return msgspec.structs.replace(run[0], text=text)


def _continues(first: Event, event: Event) -> bool:
    if isinstance(first, ToolCallArguments) and isinstance(event, ToolCallArguments):
        return first.index == event.index
    return type(first) is type(event) and isinstance(first, _TEXTS)
