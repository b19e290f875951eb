"""A streamed completion in progress: what the blocking and the asyncio stream have in common. Never waits."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from headrace.wire.chunk import Usage
from headrace.wire.completion import Completion
from zai.errors import APIConnectionError, APITimeoutError, ZaiError, request_id_of
from zai.http.base_client import BaseClient
from zai.http.deadlines import Deadlines, StreamTimeout
from zai.http.request import Request
from zai.http.retry import Retries
from zai.http.transport import connection_error
from zai.http_library import ClientT, Response
from zai.streaming.reader import StreamReader, interrupted_error
from zai.streaming.reconnect import Reconnect, ReconnectPolicy

__all__ = ["Turn", "TurnView"]


class Interruptible(Protocol):
    """An iterator that raises an error after an interruption."""

    def interrupt(self, error: ZaiError) -> None:
        """Raise this error instead of the next item."""
        ...


class Turn:
    """The state of a stream, and the decisions that follow from it.

    Args:
        client: builds the requests that resume or stop the turn.
        request: the one that started it.
        response: its response, of which only the head has been read.
        retries: those that were made, and those that are left.
    """

    def __init__(
        self, client: BaseClient[ClientT], request: Request, response: Response, retries: Retries
    ) -> None:
        self.request = request
        self.response = response
        self.retries = retries
        self.reader = StreamReader(response)
        limits = request.limits or StreamTimeout(idle=request.timeout[1])
        self.deadlines = Deadlines(limits, retries.started_at)
        self.deadlines.resume(retries.sent_at)
        self.iterator: Callable[[], Interruptible | None] = lambda: None
        """The iterator of the chunks, if there still is one: a weak reference, as it refers to this turn."""
        self.is_interrupted = False
        self._client: BaseClient[Any] = client
        self._reconnect_policy = ReconnectPolicy(client, request, retries)

    @property
    def is_cancelled(self) -> bool:
        """True after the caller cancelled the stream."""
        return self.reader.is_cancelled

    @property
    def is_watched(self) -> bool:
        """Whether the stream has limits that the HTTP library does not enforce."""
        return self.request.limits is not None

    def switch_to(self, response: Response) -> None:
        """Continue with the response to a reconnect."""
        self.response = response
        self.reader.restart(response)
        self.deadlines.resume(time.monotonic())

    def interrupt(self) -> None:
        """Note that a cancelled read has ended the generator of the chunks."""
        iterator = self.iterator()
        if iterator is not None and not (self.reader.is_complete or self.is_cancelled):
            self.is_interrupted = True
            iterator.interrupt(interrupted_error(self.reader.partial))

    def check_time(self) -> None:
        """Raise if a limit has passed."""
        reason = self.deadlines.expiry_reason(time.monotonic())
        if reason is not None:
            error = APITimeoutError(self.response.request, message=reason)
            error.partial = self.reader.partial
            raise error

    def translate(self, error: Exception) -> ZaiError:
        """Translate an exception of the HTTP library."""
        return connection_error(error, self.request.url, self.response.request)

    def next_reconnect(self, failure: ZaiError | None) -> Reconnect | None:
        """Decide what follows the end of a connection; None if the stream is over."""
        if self.reader.is_complete or self.is_cancelled:
            return None
        self.check_time()
        try:
            return self._reconnect_policy.decide(self.reader, failure)
        except ZaiError as error:
            self.reader.error = error
            raise

    def stop_request(self) -> Request | None:
        """Return the request that stops a turn which would otherwise continue without its reader.

        None if the connection was lost and the caller has named the turn: another request can join it.
        """
        error = self.reader.error
        if self.reader.is_complete or not isinstance(error, APIConnectionError | None):
            return None
        is_lost = error is not None and not isinstance(error, APITimeoutError)
        if is_lost and self.request.is_named:
            return None
        return self._client.stop_request(self.request, self.response)


class TurnView:
    """The public attributes of a stream."""

    _turn: Turn

    @property
    def response(self) -> Response:
        """The HTTP library's response; another one after a reconnect."""
        return self._turn.response

    @property
    def request_id(self) -> str | None:
        """The server's id of the request, as in its log."""
        return request_id_of(self.response)

    @property
    def last_event_id(self) -> str:
        """The `id:` of the last event; "" if the server sends none."""
        return self._turn.reader.last_event_id

    @property
    def finish_reason(self) -> str | None:
        """The finish reason; None before the completion's end."""
        return self._turn.reader.accumulator.finish_reason

    @property
    def usage(self) -> Usage | None:
        """The token counts, which come with the last chunk."""
        return self._turn.reader.accumulator.usage

    @property
    def snapshot(self) -> Completion:
        """The completion received so far."""
        return self._turn.reader.partial

    @property
    def is_cancelled(self) -> bool:
        """True after `cancel`."""
        return self._turn.is_cancelled
