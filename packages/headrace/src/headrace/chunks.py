"""Events → chunks of the API. Pure: a replay of the same events gives the same chunks."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, assert_never

import msgspec

from headrace.errors import EngineError, HeadraceError, encode_error
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
from headrace.sse import DONE, encode_comment, encode_event, escape_line_ends
from headrace.wire.chunk import Chunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta, usage_of

__all__ = ["ChunkEncoder", "call_id", "encode_chunk", "merge", "merge_counted"]

_ENCODE: Final = msgspec.json.Encoder().encode
_TextEvent = Content | Reasoning | ToolCallArguments
_TEXTS: Final = (Content, Reasoning, ToolCallArguments)  # faster than their union


class ChunkEncoder:
    """The encoder of one turn.

    Args:
        id: the turn's id. The ids of calls are derived from it unless the model generated one, so that a
            replay has the same ids.
        created: start of the turn, in seconds since the epoch.
        model: the model's name in the request.
        repeats_role: whether every text delta has a `role`, as Z.ai's do. Otherwise only the answer's first
            delta has one, as with OpenAI, whose Python client concatenates the strings of all deltas.
        error_event: name of the event with the reason of a failure, before the last chunk; "" for an event
            without a name, None for no such event.
    """

    merges: Final = True
    missing: Final = ""
    end: Final = encode_event(DONE)

    def __init__(
        self,
        id: str,
        created: int,
        model: str,
        *,
        repeats_role: bool = True,
        error_event: str | None = None,
    ) -> None:
        self.error: HeadraceError | None = None
        self.is_cancelled = False
        self.last_event_at = 0
        self._id = id
        self._created = created
        self._model = model
        self._repeats_role = repeats_role
        self._error_event = error_event
        self._around_delta: tuple[bytes, bytes] | None = None  # the frame before and after it
        self._around_text: dict[object, tuple[bytes, bytes]] = {}  # the same, by the kind of text

    def begin(self) -> bytes:
        """Return nothing: the first chunk is the first event's."""
        return b""

    def skip(self, events: Sequence[Event]) -> None:
        """Do nothing: a chunk does not depend on those before it."""

    def keep_alive(self, text: str, silence: float) -> bytes:  # noqa: ARG002
        """Return a comment."""
        return encode_comment(text)

    def encode(self, event: Event, *, is_first: bool = False) -> Chunk | None:
        """Return the chunk of an event; None for an event that clients do not receive.

        Args:
            event: the event.
            is_first: whether it is the first of its answer.
        """
        delta = self._delta(event, is_first=is_first)
        if delta is None:
            return None
        if type(event) is not Finish:
            return self._chunk(delta)
        chunk = self._chunk(delta, event.reason)
        chunk.usage = usage_of(event.usage)
        return chunk

    def encode_frame(self, event: Event, *, is_first: bool = False) -> bytes | None:
        """Return the chunk that `encode` returns, as an event of SSE.

        Of a text delta, only the text is encoded: the bytes before and after it are always the same.
        """
        # `isinstance` takes long to deny that a struct is of a type
        key = event.index if type(event) is ToolCallArguments else type(event)
        around = self._around_text.get(key)
        if around is None or is_first:
            if not isinstance(event, _TEXTS) or (is_first and not self._repeats_role):
                return self._encode_frame(event, is_first=is_first)
            around = self._add_surroundings(key, event)
        text = _ENCODE(event.text)  # type: ignore[union-attr]  # it has one
        return around[0] + (text if text.isascii() else escape_line_ends(text)) + around[1]

    def _encode_frame(self, event: Event, *, is_first: bool) -> bytes | None:
        if type(event) is Finish:
            return self._encode_finish(event, is_first=is_first)
        delta = self._delta(event, is_first=is_first)
        if delta is None:
            return None
        before, after = self._around_delta or self._find_around_delta()
        return before + escape_line_ends(_ENCODE(delta)) + after

    def _encode_finish(self, event: Finish, *, is_first: bool) -> bytes | None:
        chunk = self.encode(event, is_first=is_first)
        assert chunk is not None
        frame = encode_event(encode_chunk(chunk))
        if event.error and self._error_event is not None:
            error = encode_error(self.error or EngineError(event.error))
            before = encode_event(error, event=self._error_event)
            self.last_event_at = len(before)
            return before + frame
        return frame

    def _find_around_delta(self) -> tuple[bytes, bytes]:
        """Return the bytes before and after the delta of a frame."""
        before, _, after = encode_event(encode_chunk(self._chunk(Delta()))).rpartition(b"{}")
        self._around_delta = before, after
        return self._around_delta

    def _add_surroundings(self, key: object, event: _TextEvent) -> tuple[bytes, bytes]:
        """Return the bytes before and after the text of an event's frame."""
        before, after = self._around_delta or self._find_around_delta()
        empty = msgspec.structs.replace(event, text="")
        delta_before, delta_after = _around_text(empty, "assistant" if self._repeats_role else None)
        around = self._around_text[key] = before + delta_before, delta_after + after
        return around

    def _delta(self, event: Event, *, is_first: bool) -> Delta | None:
        match event:  # the texts last: their frames need no delta
            case ToolCallStart(index, name, model_id, arguments):
                function = FunctionDelta(name=name, arguments=arguments)
                id = model_id or call_id(self._id, index)
                call = ToolCallDelta(id=id, index=index, type="function", function=function)
                delta = Delta(tool_calls=[call])
            case Finish():
                delta = Delta(role="assistant", content="")
            case ToolCallEnd() | Text() | Progress():
                return None
            case Content() | Reasoning() | ToolCallArguments():
                delta = _text_delta(event, "assistant")
            case _:
                assert_never(event)
        if not self._repeats_role:
            delta.role = "assistant" if is_first else None
        return delta

    def _chunk(self, delta: Delta, finish_reason: str | None = None) -> Chunk:
        return Chunk(
            id=self._id,
            created=self._created,
            object="chat.completion.chunk",
            model=self._model,
            choices=[ChunkChoice(index=0, finish_reason=finish_reason, delta=delta)],
        )


def call_id(turn: str, index: int) -> str:
    """Return an id for a call, the same in a replay."""
    digest = hashlib.blake2b(f"{turn}:{index}".encode(), digest_size=12)
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
    return escape_line_ends(_ENCODE(chunk))


def merge(events: Iterable[Event]) -> list[Event]:
    """Join adjacent fragments of the same kind, as slow readers receive them."""
    return [event for event, _ in merge_counted(list(events))]


def merge_counted(events: Sequence[Event]) -> list[tuple[Event, int]]:
    """Merge, and return with each event the number of events it replaces."""
    if len(events) == 1:
        return [(events[0], 1)]
    runs: list[list[Event]] = []
    last: object = None
    for event in events:
        kind = _kind(event)
        if kind is None or kind != last:
            runs.append([event])
        else:
            runs[-1].append(event)
        last = kind
    return [_joined(run) for run in runs]


def _joined(run: list[Event]) -> tuple[Event, int]:
    if len(run) == 1:
        return run[0], 1
    text = "".join([event.text for event in run if isinstance(event, _TEXTS)])
    return msgspec.structs.replace(run[0], text=text), len(run)


def _kind(event: Event) -> object:
    """Return what is equal for adjacent events that can be joined; None for an event that cannot."""
    kind = type(event)
    if kind is Content or kind is Reasoning:
        return kind
    return event.index if type(event) is ToolCallArguments else None
