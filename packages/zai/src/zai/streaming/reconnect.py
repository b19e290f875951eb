"""What to do when a stream's connection has ended before the answer: ask again, resume, or give up.

Before the first chunk nothing is lost by asking again, as often as `max_retries` allows. After it a stream
goes on only where the server numbers its events: at the turn's own address, after the last event that came.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from zai.errors import APIStatusError, APIStreamDisconnectedError, ZaiError
from zai.http.request import Request
from zai.http.retry import MAX_RETRY_AFTER, Retries, backoff, is_retryable
from zai.streaming.reader import StreamReader

__all__ = ["MAX_RECONNECTS", "Reconnect", "ReconnectPolicy"]

MAX_RECONNECTS: Final = 5
"""In a row, without an event in between."""

# Of the request to stop. It counts once it is sent: the answer is not worth a wait.
_STOP_TIMEOUT: Final = (1.0, 0.5, 0.5, 0.5)


class Reconnect(msgspec.Struct, frozen=True):
    """Send `request` after `delay` seconds and go on reading."""

    delay: float
    request: Request


class ReconnectPolicy:
    """The decisions of one stream.

    Args:
        request: the one that began it.
        retries: the tries that are left of it.
        turn_request: makes the request to `GET` or to `DELETE` the turn with an id; None if it must not.
    """

    def __init__(
        self, request: Request, retries: Retries, turn_request: Callable[[str, str], Request] | None
    ) -> None:
        self._request = request
        self._retries = retries
        self._turn_request = turn_request
        self._reconnects = 0
        self._last_event_id = ""

    def decide(self, reader: StreamReader, failure: ZaiError | None) -> Reconnect | None:
        """The connection ended before the answer, by `lost` or by itself.

        Returns:
            What to do next; None where the stream is over, which `reader.check` then judges.

        Raises:
            ZaiError: `lost` or what it amounts to, where it is the end.
        """
        if not reader.accumulator.has_chunks:
            cause = reader.error or failure
            return Reconnect(self._retries.next_delay(cause), self._request) if cause else None
        if reader.error is not None:
            return None
        if reader.last_event_id and self._turn_request is not None:
            return self._resume(reader, self._turn_request("GET", reader.accumulator.id or ""), failure)
        if failure is not None:
            raise _disconnected(reader, failure) from failure
        return None

    def stop_request(self, reader: StreamReader) -> Request | None:
        """The caller goes before the end: the request that stops a turn which would outlive its reader."""
        turn = reader.last_event_id and reader.accumulator.id
        if reader.is_complete or reader.error is not None or not turn or self._turn_request is None:
            return None
        request = self._turn_request("DELETE", turn)
        return msgspec.structs.replace(request, timeout=_STOP_TIMEOUT, stream=False, limits=None)

    def _resume(self, reader: StreamReader, request: Request, failure: ZaiError | None) -> Reconnect:
        if reader.last_event_id != self._last_event_id:
            self._last_event_id = reader.last_event_id
            self._reconnects = 0
        self._reconnects += 1
        refused = isinstance(failure, APIStatusError) and not is_retryable(failure)
        # A header holds no id but an ASCII one.
        if self._reconnects > MAX_RECONNECTS or refused or not reader.last_event_id.isascii():
            raise _disconnected(reader, failure) from failure
        asked = reader.retry_ms
        delay = backoff(self._reconnects) if asked is None else min(asked / 1000, MAX_RETRY_AFTER)
        headers = {**request.headers, "Last-Event-ID": reader.last_event_id}
        request = msgspec.structs.replace(request, headers=headers)
        return Reconnect(min(delay, max(self._retries.seconds_left(), 0)), request)


def _disconnected(reader: StreamReader, failure: ZaiError | None) -> APIStreamDisconnectedError:
    why = f": {failure.message}" if failure is not None else ""
    where = f" after event {reader.last_event_id}" if reader.last_event_id else ""
    return APIStreamDisconnectedError(
        f"the stream broke off{where}{why}; what came is in .partial, ask again for the rest",
        partial=reader.partial,
        last_event_id=reader.last_event_id,
        request=getattr(failure, "request", None),
    )
