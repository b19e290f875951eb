"""Requests out, responses back, by a client that blocks."""

import contextlib
import time
from types import TracebackType
from typing import Any, Self

from zai.errors import ZaiError
from zai.http.base_client import BaseClient
from zai.http.interruptible import Watchdog
from zai.http.request import Request
from zai.http.responses import status_error
from zai.http.retry import Retries
from zai.http.transport import attach, build, connection_error, head_timeout, new_client, transport_exceptions

__all__ = ["HttpClient"]


class HttpClient(BaseClient):
    """Sends requests, again where that may help, and owns the connections."""

    @property
    def http_client(self) -> Any:
        """The HTTP library's client, made when it is first needed."""
        return self._open(new_client)

    def send(self, request: Request, retries: Retries) -> Any:
        """The response, after as many tries as are allowed; a stream's body is still to be read."""
        while True:
            retries.sent_at = time.monotonic()
            try:
                return self.send_once(request, retries)
            except ZaiError as error:
                delay = retries.next_delay(error)
            time.sleep(delay)

    def send_once(self, request: Request, retries: Retries) -> Any:
        """The response, if the server said yes."""
        http_client, connection = self.http_client, retries.connection
        limit = head_timeout(request, retries.seconds_left())
        end = time.monotonic() + limit
        try:
            response = http_client.send(build(http_client, request, connection, end), stream=request.stream)
            attach(connection, response)
            if response.is_success:
                return response
            with contextlib.closing(response), Watchdog(connection, lambda now: end - now):
                content = response.read()
            connection.attach(None)
        except transport_exceptions(http_client) as error:
            why = TimeoutError() if connection.is_interrupted else error
            raise connection_error(why, request.url, limit=limit) from error
        raise status_error(response, content)

    def send_ignoring_errors(self, request: Request) -> None:
        """Send where nobody waits for the answer, and nothing depends on it."""
        with contextlib.suppress(ZaiError):
            self.send_once(request, Retries(0))

    def close(self) -> None:
        """Close the connections, those of an `http_client` that was passed included."""
        self._closed = True
        if self._http is not None:
            self._http.close()

    def __del__(self) -> None:
        if not getattr(self, "_has_custom_http_client", True):
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
