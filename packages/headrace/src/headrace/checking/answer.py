"""A response, decoded: its SSE events, their chunks with arrival times, and the text and calls they contain.

Nothing is rejected here: whatever is wrong stays visible for the rules.
"""

import zlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec

from headrace.checking.endpoint import Response
from headrace.errors import DecodeError
from headrace.sse import DONE, SseDecoder

__all__ = ["Answer", "CallPart", "Frame", "Inflater", "choices_of", "decode_json", "find_chunk", "has_output"]

_OUTPUT: Final = ("content", "reasoning_content", "tool_calls")
_GZIP: Final = 31  # zlib's window bits for gzip
_MAX_INFLATED: Final = 64 * 1024 * 1024  # bytes


class Frame(NamedTuple):
    """The data of an SSE event, or a whole body; `value` is None if it is not JSON."""

    at: float
    """Seconds after the request."""
    data: bytes
    value: Any = None
    event: str = ""
    """The name of the SSE event."""


class CallPart(NamedTuple):
    """An item of `tool_calls`, and the frame that contains it."""

    index: Any
    id: Any
    name: Any
    arguments: Any
    frame: Frame


def find_chunk(value: Any) -> dict[str, Any] | None:
    """Return a JSON object without `error` as it is; None for anything else."""
    return value if isinstance(value, dict) and "error" not in value else None


class Inflater:
    """Removes gzip from a body, if its encoding is that.

    Args:
        encoding: the Content-Encoding.
    """

    def __init__(self, encoding: str) -> None:
        self._gzip = zlib.decompressobj(_GZIP) if encoding.lower() == "gzip" else None
        self._room = _MAX_INFLATED

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body so far.

        Raises:
            DecodeError: it is not gzip, or too long.
        """
        if self._gzip is None:
            return data
        try:
            data = self._gzip.decompress(data, self._room)
        except zlib.error as error:
            msg = f"the body is not gzip: {error}"
            raise DecodeError(msg) from None
        self._room -= len(data)
        if not self._room:
            msg = f"the decompressed body has {_MAX_INFLATED} bytes or more"
            raise DecodeError(msg)
        return data


class Answer:
    """A decoded response.

    Args:
        response: what was received.
        is_stream: the request had `stream` true.
        translate: returns the chunk, or the completion, that a JSON value stands for; None if it is none.
    """

    def __init__(
        self,
        response: Response,
        *,
        is_stream: bool,
        translate: Callable[[Any], dict[str, Any] | None] = find_chunk,
    ) -> None:
        self.response = response
        self._translate = translate
        self.failure = response.failure
        self.pieces = list(self._inflate())
        self.body = b"".join(data for _, data in self.pieces)
        self.sse = SseDecoder()
        self.frames: list[Frame] = []
        """The events of a stream, `[DONE]` included; the body of another response."""
        if is_stream and response.status == 200:
            self._decode()
        else:
            self.frames.append(_frame(self.pieces[-1][0] if self.pieces else 0.0, self.body))

    @cached_property
    def chunks(self) -> list[Frame]:
        """The chunks of a chat completion, or what stands for them in another API."""
        chunks = ((frame, self._translate(frame.value)) for frame in self.frames)
        return [frame._replace(value=chunk) for frame, chunk in chunks if chunk is not None]

    @cached_property
    def deltas(self) -> list[Frame]:
        """The frames whose delta, or message, has text or a part of a call."""
        return [frame for frame in self.chunks if has_output(frame)]

    @cached_property
    def finishes(self) -> list[Frame]:
        """The frames with a finish reason."""
        return [f for f in self.chunks if any(choice.get("finish_reason") for choice in choices_of(f))]

    @cached_property
    def finish_reason(self) -> str:
        """The first finish reason; "" if there is none."""
        reasons = (choice.get("finish_reason") for f in self.finishes[:1] for choice in choices_of(f))
        return str(next(filter(None, reasons), ""))

    @cached_property
    def usages(self) -> list[Frame]:
        """The frames with a usage."""
        return [frame for frame in self.chunks if frame.value.get("usage")]

    @cached_property
    def calls(self) -> list[CallPart]:
        """The parts of calls, in their order."""
        parts = []
        for frame in self.chunks:
            for delta in _deltas(frame):
                for call in _objects(delta.get("tool_calls")):
                    [function] = _objects([call.get("function")]) or [{}]
                    fields = (
                        call.get("index"),
                        call.get("id"),
                        function.get("name"),
                        function.get("arguments"),
                    )
                    parts.append(CallPart(*fields, frame))
        return parts

    def fold_calls(self) -> list[tuple[str, str]]:
        """Return the name and the arguments of each call; the calls of a whole response have no index."""
        calls: dict[Any, list[str]] = {}
        for position, part in enumerate(self.calls):
            call = calls.setdefault(("whole", position) if part.index is None else str(part.index), ["", ""])
            call[0] += part.name if isinstance(part.name, str) else ""
            call[1] += part.arguments if isinstance(part.arguments, str) else ""
        return [(name, arguments) for name, arguments in calls.values()]

    def text(self, field: str = "content") -> str:
        """Return the joined `content`, or another field of the deltas."""
        texts = (delta.get(field) for frame in self.chunks for delta in _deltas(frame))
        return "".join(text for text in texts if isinstance(text, str))

    def _inflate(self) -> Iterator[tuple[float, bytes]]:
        inflater = Inflater(self.response.headers.get("content-encoding", ""))
        try:
            for at, data in self.response.pieces:
                if plain := inflater.feed(data):
                    yield at, plain
        except DecodeError as error:
            self.failure = error.message

    def _decode(self) -> None:
        try:
            for at, data in self.pieces:
                self.frames += [_frame(at, event.data, event.event) for event in self.sse.feed(data)]
            self.sse.finish()
        except DecodeError as error:
            self.failure = error.message


def choices_of(frame: Frame) -> list[dict[str, Any]]:
    """Return the choices of a chunk or a completion."""
    return _objects(frame.value.get("choices"))


def has_output(frame: Frame) -> bool:
    """Whether a delta, or the message, of a chunk has text or a part of a call."""
    return any(delta.get(name) for delta in _deltas(frame) for name in _OUTPUT)


def _deltas(frame: Frame) -> Iterator[dict[str, Any]]:
    for choice in choices_of(frame):
        yield from _objects([choice.get("delta", choice.get("message"))])


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _frame(at: float, data: bytes, event: str = "") -> Frame:
    return Frame(at, data, decode_json(data), event)


def decode_json(data: bytes) -> Any:
    """Decode JSON; None if it is not JSON, as `[DONE]`."""
    try:
        return None if data == DONE else msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
