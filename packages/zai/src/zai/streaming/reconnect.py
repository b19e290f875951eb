"""What follows when a connection ends before its stream: a retry, a resumption, or an error.

Before the first chunk the request is sent again, as often as `max_retries` allows. After it a stream is
resumed if the server numbers its events: at the turn's own URL, after the last event received.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from zai.errors import APIStatusError, APIStreamDisconnectedError, ZaiError
from zai.http.request import Request, Timeout
from zai.http.retry import MAX_RETRY_AFTER, Retries, backoff, is_retryable
from zai.streaming.reader import StreamReader

__all__ = ["MAX_RECONNECTS", "Reconnect", "ReconnectPolicy"]

MAX_RECONNECTS: Final = 5
"""The maximum number of reconnects without an event in between."""

# Of the DELETE: fire and forget.
_STOP_TIMEOUT: Final = Timeout(connect=1.0, read=0.5, write=0.5, pool=0.5)


class Reconnect(msgspec.Struct, frozen=True):
    """Send `request` after `delay` seconds and continue reading."""

    delay: float
    request: Request


class ReconnectPolicy:
    """Decides for one stream.

    Args:
        request: the one that started it.
        retries: those that are left.
        turn_request: builds the request to `GET` or `DELETE` a turn by its id; None if resuming is disabled.
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
        """Decide what follows a connection that ended before its stream, by `failure` or by itself.

        Returns:
            The next request; None if the stream is over, complete or not (see `reader.check`).

        Raises:
            ZaiError: the stream failed for good.
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
        """Return the request that stops a turn, if the server would continue it without a reader."""
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
        # A header can hold ASCII only.
        if self._reconnects > MAX_RECONNECTS or refused or not reader.last_event_id.isascii():
            raise _disconnected(reader, failure) from failure
        retry_ms = reader.retry_ms
        delay = backoff(self._reconnects - 1) if retry_ms is None else min(retry_ms / 1000, MAX_RETRY_AFTER)
        headers = {**request.headers, "Last-Event-ID": reader.last_event_id}
        request = msgspec.structs.replace(request, headers=headers)
        return Reconnect(min(delay, max(self._retries.seconds_left(), 0)), request)


def _disconnected(reader: StreamReader, failure: ZaiError | None) -> APIStreamDisconnectedError:
    why = f": {failure}" if failure is not None else ""
    where = f" after event {reader.last_event_id}" if reader.last_event_id else ""
    return APIStreamDisconnectedError(
        f"the stream was disconnected{where}{why}; .partial is what was received",
        partial=reader.partial,
        last_event_id=reader.last_event_id,
        request=reader.response.request,
    )
