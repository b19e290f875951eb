"""One streamed answer under way: what a blocking and an asyncio stream have in common. Never waits."""

import time
from functools import partial
from typing import Any

from headrace.wire.completion import Completion
from headrace.wire.usage import Usage
from zai.errors import APITimeoutError, ZaiError, request_id_of
from zai.http.base_client import BaseClient
from zai.http.deadlines import Deadlines, StreamTimeout
from zai.http.request import Request
from zai.http.retry import Retries
from zai.http.transport import connection_error
from zai.streaming.reader import StreamReader
from zai.streaming.reconnect import Reconnect, ReconnectPolicy

__all__ = ["Turn", "TurnView"]


class Turn:
    """The state of a stream, and what follows from it.

    Args:
        client: makes the requests that may follow.
        request: the one that began it.
        response: its answer, of which only the head has been read.
        retries: the tries that were made, and that are left.
    """

    def __init__(self, client: BaseClient, request: Request, response: Any, retries: Retries) -> None:
        self.request = request
        self.response = response
        self.retries = retries
        self.connection = retries.connection
        self.reading_task: Any = None
        """Of asyncio: who is blocked when the stream is cancelled."""
        self.reader = StreamReader(response)
        limits = request.limits or StreamTimeout(idle=request.timeout[1])
        self.deadlines = Deadlines(limits, retries.started_at)
        self.deadlines.resume(retries.sent_at)
        turn_request = partial(client.turn_request, request) if client.resume else None
        self._reconnect_policy = ReconnectPolicy(request, retries, turn_request)

    @property
    def is_cancelled(self) -> bool:
        """The caller wants no more."""
        return self.reader.is_cancelled

    @property
    def is_watched(self) -> bool:
        """The HTTP library's own limits are not enough."""
        return self.request.limits is not None

    def switch_to(self, response: Any) -> None:
        """Over another connection."""
        self.response = response
        self.reader.restart(response)
        self.deadlines.resume(time.monotonic())

    def check_time(self) -> None:
        """Raise if a limit has passed."""
        reason = self.deadlines.expiry_reason(time.monotonic())
        if reason is not None:
            error = APITimeoutError(getattr(self.response, "request", None), message=reason)
            error.partial = self.reader.partial
            raise error

    def failure(self, error: Exception) -> ZaiError:
        """The HTTP library's error in our words."""
        return connection_error(error, self.request.url, getattr(self.response, "request", None))

    def next_reconnect(self, failure: ZaiError | None) -> Reconnect | None:
        """The connection has ended: what to do, or None where the stream is over."""
        if self.reader.is_complete or self.is_cancelled:
            return None
        self.check_time()
        try:
            return self._reconnect_policy.decide(self.reader, failure)
        except ZaiError as error:
            self.reader.error = error
            raise

    def close(self) -> None:
        """The connection is another's now, or nobody's. Of asyncio only the response needs to be closed."""
        self.connection.attach(None)
        self.response.close()

    def stop_request(self) -> Request | None:
        """The caller goes; a request to send if the server would otherwise go on for nobody."""
        return self._reconnect_policy.stop_request(self.reader)


class TurnView:
    """What a caller can see of a stream."""

    _turn: Turn

    @property
    def response(self) -> Any:
        """The HTTP library's response; another one after a reconnect."""
        return self._turn.response

    @property
    def request_id(self) -> str | None:
        """Under which the server logged the request."""
        return request_id_of(self.response)

    @property
    def last_event_id(self) -> str:
        """The `id:` of the last event; "" if the server sends none."""
        return self._turn.reader.last_event_id

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended; None before its end."""
        return self._turn.reader.accumulator.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The count of tokens; comes with the last chunk."""
        return self._turn.reader.accumulator.usage

    @property
    def snapshot(self) -> Completion:
        """The answer as far as it has come."""
        return self._turn.reader.partial

    @property
    def is_cancelled(self) -> bool:
        """True after `cancel`."""
        return self._turn.is_cancelled
