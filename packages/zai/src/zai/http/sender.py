"""Requests out, responses back, by a client that blocks."""

import contextlib
import time
from types import TracebackType
from typing import Any, Self

from zai.error_body import status_error
from zai.errors import ZaiError
from zai.http.base_client import BaseClient
from zai.http.line import Watchdog
from zai.http.request import Request
from zai.http.retry import Attempts
from zai.http.transport import build, connection_error, foreign_errors, head_seconds, hold, new_client

__all__ = ["Sender"]


class Sender(BaseClient):
    """Sends requests, again where that may help, and owns the connections."""

    @property
    def http_client(self) -> Any:
        """The HTTP library's client, made when it is first needed."""
        return self._open(new_client)

    def send(self, request: Request, attempts: Attempts) -> Any:
        """The response, after as many tries as are allowed; a stream's body is still to be read."""
        while True:
            attempts.sent = time.monotonic()
            try:
                return self.send_once(request, attempts)
            except ZaiError as error:
                delay = attempts.after(error)
            time.sleep(delay)

    def send_once(self, request: Request, attempts: Attempts) -> Any:
        """The response, if the server said yes."""
        http_client, line = self.http_client, attempts.line
        limit = head_seconds(request, attempts.seconds_left())
        end = time.monotonic() + limit
        try:
            response = http_client.send(build(http_client, request, line, end), stream=request.stream)
            hold(line, response)
            if response.is_success:
                return response
            with contextlib.closing(response), Watchdog(line, lambda now: end - now):
                content = response.read()
            line.hold(None)
        except foreign_errors(http_client) as error:
            why = TimeoutError() if line.is_cut else error
            raise connection_error(why, request.url, limit=limit) from error
        raise status_error(response, content)

    def send_quietly(self, request: Request) -> None:
        """Send where nobody waits for the answer, and nothing depends on it."""
        with contextlib.suppress(ZaiError):
            self.send_once(request, Attempts(0))

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
