"""The bytes of a stream → its chunks, and the meaning of its end. Never waits.

    reader = StreamReader(response)
    for data in body:
        for event in reader.feed(data):
            if (chunk := reader.take(event)) is not None:
                yield chunk
        if reader.is_over:
            break
    reader.check()

A stream is complete when `[DONE]` or a finish_reason has come. Otherwise it ends with one of: an error that
the server sent, as an event, as `data: {"error": …}` or as a bare line; a body that is not a stream at all;
the end of the bytes before the end of the completion.
"""

from typing import Any

import msgspec

from headrace.errors import DecodeError
from headrace.sse import DONE, SseDecoder, SseEvent, separate
from headrace.wire.chunk import Chunk
from headrace.wire.completion import Accumulator, Completion
from headrace.wire.decode import (
    STRICT_ERRORS,
    decode_chunk,
    decode_object,
    decode_strict_chunk,
    is_complete_json,
)
from zai.errors import APIResponseValidationError, APIStatusError, APIStreamTruncatedError, ZaiError
from zai.http.responses import buffered, extract_error, stream_error, unexpected_body_error
from zai.http_library import Response

__all__ = ["StreamReader", "interrupted_error"]


class StreamReader:
    """Reads one turn, over one connection or several.

    Args:
        response: the HTTP library's response, for the errors to carry.
    """

    def __init__(self, response: Response) -> None:
        self.accumulator = Accumulator()
        """Joins the chunks so far."""
        self._add = self.accumulator.add
        self.is_done = False
        self.is_cancelled = False
        self.error: ZaiError | None = None
        self.response = response
        self._sse = SseDecoder()
        self._last_event = SseEvent(b"")
        self._resumed_after = ""
        self._is_fast = True  # events can be decoded without further checks
        self._resumed_number = -1  # events up to this number came over earlier connections

    @property
    def is_over(self) -> bool:
        """Whether the rest of the bytes can be ignored."""
        return self.is_done or self.is_cancelled or self.error is not None

    @property
    def is_complete(self) -> bool:
        """Whether the completion has its end."""
        return self.error is None and (self.is_done or self.accumulator.finish_reason is not None)

    @property
    def partial(self) -> Completion:
        """The completion received so far."""
        return self.accumulator.completion()

    @property
    def last_event_id(self) -> str:
        """The `id:` of the last event that was taken; "" if the server sends none."""
        return self._last_event.id or self._resumed_after

    @property
    def is_numbered(self) -> bool:
        """Whether the last event had an `id:`, after which the stream can be resumed."""
        return self._sse.is_numbered and bool(self.last_event_id)

    @property
    def retry_ms(self) -> int | None:
        """The server's reconnection time, sent as `retry:`."""
        return self._sse.retry_ms

    def restart(self, response: Response) -> None:
        """Continue with another connection, after the last event."""
        self.error = None
        self.response = response
        self._resumed_after = self.last_event_id
        self._resumed_number = _number(self._resumed_after)
        self._is_fast = self._resumed_number < 0 and not self.is_cancelled
        self._sse = SseDecoder()

    def cancel(self) -> None:
        """Ignore the rest; the end is not an error then."""
        self.is_cancelled = True
        self._is_fast = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events that `data` completes, to be taken one by one."""
        try:
            events = self._sse.feed(data)
        except DecodeError as error:
            self._fail_to_read(error, data)
            return []
        if self._sse.has_joined:
            return [each for event in events for each in separate(event)]
        return events

    def take(self, event: SseEvent) -> Chunk | None:
        """Return the chunk of an event, or None if it has none."""
        self._last_event = event
        if event.event or not self._is_fast:
            return self._take_checked(event)
        try:
            chunk = decode_strict_chunk(event.data)
        except STRICT_ERRORS:
            return self._take_checked(event)
        self._add(chunk)
        return chunk

    def finish(self) -> list[SseEvent]:
        """Return the last event if only its blank line is missing."""
        if self.is_over:
            return []
        self._sse.finish()
        event = self._sse.unfinished
        return [event] if event is not None and is_complete_json(event.data) else []

    def check(self) -> None:
        """Raise if the stream ended with an error or before its end, unless it was cancelled."""
        if self.is_cancelled:
            return
        if self.error is None:
            self.error = self._end_error()
        if self.error is not None:
            raise self.error

    def _take_checked(self, event: SseEvent) -> Chunk | None:
        """Take an event that may not be a chunk, or may repeat one of an earlier connection."""
        data = event.data.strip()
        if self.is_over or not data:
            return None
        if event.event == "error":
            body = _decode_error(data)
            self._fail(extract_error(body) or body, body)
        elif data == DONE:
            self.is_done, self._is_fast = True, False
        elif (event.event in ("", "message") or b'"choices"' in data) and not self._is_repeated(event):
            return self._decode_leniently(data)
        return None

    def _decode_leniently(self, data: bytes) -> Chunk | None:
        try:
            chunk = decode_chunk(data, has_output=self.accumulator.has_output)
        except DecodeError as error:
            self._fail_to_read(error, data)
            return None
        extra = chunk.model_extra
        if sent := extract_error(extra) if chunk.choices is None else extra.get("error"):
            self._fail(sent, extra)
            return None
        self._add(chunk)
        self.accumulator.add_sources(chunk)
        return chunk

    def _is_repeated(self, event: SseEvent) -> bool:
        return 0 <= _number(event.id) <= self._resumed_number

    def _fail(self, error: object, body: dict[str, Any]) -> None:
        self._is_fast = False
        response = buffered(self.response, msgspec.json.encode(body))
        partial = self.partial if self.accumulator.has_chunks else None
        self.error = stream_error(error, body, response, partial=partial)

    def _fail_to_read(self, error: DecodeError, data: bytes) -> None:
        self._is_fast = False
        message = f"invalid stream: {error}; is base_url the root of this API?"
        self.error = APIResponseValidationError(buffered(self.response, data), None, message=message)

    def _end_error(self) -> ZaiError | None:
        if unparsed := self._sse.unparsed:
            error = unexpected_body_error(buffered(self.response, unparsed), unparsed)
            if isinstance(error, APIStatusError) or not (self.accumulator.has_chunks or self.is_complete):
                return error
        if self.is_complete:
            return None
        where = "within the completion" if self.accumulator.has_chunks else "before its first chunk"
        message = f"the stream ended {where} without a finish_reason or [DONE]; send the request again"
        return APIStreamTruncatedError(message, partial=self.partial, request=self.response.request)


def interrupted_error(partial: Completion) -> APIStreamTruncatedError:
    """Return the error for what is read after a read that was cancelled."""
    message = "a read of the stream was cancelled, which ended the stream; .partial is what was received"
    return APIStreamTruncatedError(message, partial=partial)


def _decode_error(data: bytes) -> dict[str, Any]:
    """Return the object in an error event, or one that holds its text."""
    try:
        return decode_object(data)
    except DecodeError:
        return {"error": data.decode("utf-8", "replace")}


def _number(event_id: str) -> int:
    return int(event_id) if event_id.isascii() and event_id.isdigit() and len(event_id) < 19 else -1
