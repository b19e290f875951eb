# Generated from async_http_client.py by generate_sync.py: edit that file, and run `make fix`.
"""Sending requests, with retries."""

import contextlib
import time
from functools import cached_property, partial
from types import TracebackType
from typing import ClassVar, Self

from zai.errors import ZaiError
from zai.http.base_client import STOP_SECONDS, BaseClient
from zai.http.interruptible import DetachedTasks, InterruptibleConnection
from zai.http.request import Request
from zai.http.responses import status_error
from zai.http.retry import Retries
from zai.http.transport import (
    connection_error,
    head_timeout,
    new_client,
    transport_exceptions,
    unsent_request,
)
from zai.http_library import Client, Response

__all__ = ["HttpClient"]


class HttpClient(BaseClient[Client]):
    """Owns the connections; sends requests, again if that may help."""

    http_client_class: ClassVar[str] = "Client"

    @cached_property
    def _detached(self) -> DetachedTasks:
        return DetachedTasks()

    @property
    def http_client(self) -> Client:
        """The HTTP library's client, made on first use."""
        return self._open(new_client)

    def send(self, request: Request) -> Response:
        """Return a response with its whole body."""
        return self.send_with(request, Retries(self.max_retries), InterruptibleConnection())

    def send_with(self, request: Request, retries: Retries, connection: InterruptibleConnection) -> Response:
        """Return the response after as many retries as are allowed; a stream's body is unread."""
        while True:
            retries.sent_at = time.monotonic()
            try:
                return self.send_once(request, retries, connection)
            except ZaiError as error:
                delay = retries.next_delay(error)
            connection.sleep(delay)

    def send_once(self, request: Request, retries: Retries, connection: InterruptibleConnection) -> Response:
        """Return the response if its status is a success."""
        # Importing the library and reading certificates takes long: not on the event loop.
        http_client = self.http_client
        limit = head_timeout(request, retries.seconds_left())
        end = time.monotonic() + limit
        try:
            response = connection.send(http_client, request, end)
            if response.is_success:
                return response
            with contextlib.closing(response), connection.deadline(end):
                content = response.read()
            connection.detach()
        except transport_exceptions(http_client) as error:
            cause = TimeoutError() if connection.is_interrupted else error
            unsent = unsent_request(http_client, request)
            raise connection_error(cause, request.url, unsent, limit=limit) from error
        raise status_error(response, content)

    def send_detached(self, request: Request) -> None:
        """Send a request whose response does not matter, even if the caller is cancelled meanwhile."""
        self._detached.run(partial(self._send_ignoring_errors, request))

    def _send_ignoring_errors(self, request: Request) -> None:
        http_client = self._http
        if http_client is None or http_client.is_closed:
            return
        with contextlib.suppress(ZaiError, *transport_exceptions(http_client)):
            end = time.monotonic() + STOP_SECONDS
            InterruptibleConnection().send(http_client, request, end)

    def close(self) -> None:
        """Close the connections, and an `http_client` that was passed."""
        self._closed = True
        if self._http is not None:
            self._detached.finish(self._http.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
