"""What follows when a connection ends before its stream: a retry, a resumption, or an error.

Before the first chunk the request is sent again, as often as `max_retries` allows; a Headrace recognises the
turn. After it a stream is resumed if the server is one, and numbers the events: at the turn's own URL, after
the last event received.
"""

from typing import Any

import msgspec

from zai.errors import APIStatusError, APIStreamDisconnectedError, ZaiError
from zai.http.base_client import BaseClient, turn_id_of
from zai.http.request import Request
from zai.http.retry import MAX_RETRY_AFTER, Retries, full_jitter, is_retryable
from zai.http_library import ClientT
from zai.streaming.reader import StreamReader

__all__ = ["Reconnect", "ReconnectPolicy"]


class Reconnect(msgspec.Struct, frozen=True):
    """Send `request` after `delay` seconds and continue reading."""

    delay: float
    request: Request


class ReconnectPolicy:
    """Decides for one stream.

    Args:
        client: builds the request that resumes the turn.
        request: the one that started it.
        retries: those that are left.
    """

    def __init__(self, client: BaseClient[ClientT], request: Request, retries: Retries) -> None:
        self._client: BaseClient[Any] = client
        self._request = request
        self._retries = retries
        self._reconnects = 0  # since the last event
        self._waited = 0.0  # seconds before them
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
        turn_id = turn_id_of(reader.response)
        if turn_id and reader.is_numbered and self._client.resume:
            # Some tunnels collect the response to a GET until it ends.
            return self._resume(reader, self._client.turn_request(self._request, "POST", turn_id), failure)
        if failure is not None:
            raise _disconnected(reader, failure) from failure
        return None

    def _resume(self, reader: StreamReader, request: Request, failure: ZaiError | None) -> Reconnect:
        if reader.last_event_id != self._last_event_id:
            self._last_event_id = reader.last_event_id
            self._reconnects, self._waited = 0, 0.0
        self._reconnects += 1
        refused = isinstance(failure, APIStatusError) and not is_retryable(failure)
        limit = self._client.reconnect_timeout
        is_over = limit is not None and self._waited >= limit
        # A header can hold ASCII only.
        if is_over or refused or not reader.last_event_id.isascii():
            raise _disconnected(reader, failure) from failure
        requested = min((reader.retry_ms or 0) / 1000, MAX_RETRY_AFTER)
        delay = requested + full_jitter(self._reconnects)
        self._waited += delay
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
