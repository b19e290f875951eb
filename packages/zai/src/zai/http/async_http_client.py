"""Sending requests for asyncio, with retries."""

import asyncio
import contextlib
import time
from functools import cached_property, partial
from types import TracebackType
from typing import ClassVar, Self

from zai.errors import ZaiError
from zai.http.async_interruptible import AsyncInterruptibleConnection, DetachedTasks
from zai.http.base_client import STOP_SECONDS, BaseClient
from zai.http.request import Request
from zai.http.responses import status_error
from zai.http.retry import Retries
from zai.http.transport import (
    connection_error,
    head_timeout,
    new_async_client,
    transport_exceptions,
    unsent_request,
)
from zai.http_library import AsyncClient, Response

__all__ = ["AsyncHttpClient"]


class AsyncHttpClient(BaseClient[AsyncClient]):
    """Owns the connections; sends requests, again if that may help."""

    http_client_class: ClassVar[str] = "AsyncClient"

    @cached_property
    def _detached(self) -> DetachedTasks:
        return DetachedTasks()

    @property
    def http_client(self) -> AsyncClient:
        """The HTTP library's client, made on first use."""
        return self._open(new_async_client)

    async def send(self, request: Request) -> Response:
        """Return a response with its whole body."""
        return await self.send_with(request, Retries(self.max_retries), AsyncInterruptibleConnection())

    async def send_with(
        self, request: Request, retries: Retries, connection: AsyncInterruptibleConnection
    ) -> Response:
        """Return the response after as many retries as are allowed; a stream's body is unread."""
        while True:
            retries.sent_at = time.monotonic()
            try:
                return await self.send_once(request, retries, connection)
            except ZaiError as error:
                delay = retries.next_delay(error)
            await connection.sleep(delay)

    async def send_once(
        self, request: Request, retries: Retries, connection: AsyncInterruptibleConnection
    ) -> Response:
        """Return the response if its status is a success."""
        # Importing the library and reading certificates takes long: not on the event loop.
        # sync: `http_client = self.http_client`
        http_client = self.http_client if self._http else await asyncio.to_thread(lambda: self.http_client)
        limit = head_timeout(request, retries.seconds_left())
        end = time.monotonic() + limit
        try:
            response = await connection.send(http_client, request, end)
            if response.is_success:
                return response
            async with contextlib.aclosing(response), connection.deadline(end):
                content = await response.aread()
            connection.detach()
        except transport_exceptions(http_client) as error:
            cause = TimeoutError() if connection.is_interrupted else error
            unsent = unsent_request(http_client, request)
            raise connection_error(cause, request.url, unsent, limit=limit) from error
        raise status_error(response, content)

    async def send_detached(self, request: Request) -> None:
        """Send a request whose response does not matter, even if the caller is cancelled meanwhile."""
        await self._detached.run(partial(self._send_ignoring_errors, request))

    async def _send_ignoring_errors(self, request: Request) -> None:
        http_client = self._http
        if http_client is None or http_client.is_closed:
            return
        with contextlib.suppress(ZaiError, *transport_exceptions(http_client)):
            end = time.monotonic() + STOP_SECONDS
            await AsyncInterruptibleConnection().send(http_client, request, end)

    async def close(self) -> None:
        """Close the connections, and an `http_client` that was passed."""
        self._closed = True
        if self._http is not None:
            await self._detached.finish(self._http.aclose)

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
