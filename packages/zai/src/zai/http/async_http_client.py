"""Requests out, responses back, by a client for asyncio."""

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any, ClassVar, Self

from zai.errors import ZaiError
from zai.http.base_client import BaseClient
from zai.http.request import Request
from zai.http.responses import status_error
from zai.http.retry import Retries
from zai.http.transport import build, connection_error, head_timeout, new_async_client, transport_exceptions

__all__ = ["AsyncHttpClient"]


class AsyncHttpClient(BaseClient):
    """Sends requests, again where that may help, and owns the connections."""

    http_client_class: ClassVar[str] = "AsyncClient"

    @property
    def http_client(self) -> Any:
        """The HTTP library's client, made when it is first needed."""
        return self._open(new_async_client)

    async def send(self, request: Request, retries: Retries) -> Any:
        """The response, after as many tries as are allowed; a stream's body is still to be read."""
        while True:
            retries.sent_at = time.monotonic()
            try:
                return await self.send_once(request, retries)
            except ZaiError as error:
                delay = retries.next_delay(error)
            await asyncio.sleep(delay)

    async def send_once(self, request: Request, retries: Retries) -> Any:
        """The response, if the server said yes."""
        # Importing the library and reading certificates takes long: not on the event loop.
        is_made = self._http is not None
        http_client = self.http_client if is_made else await asyncio.to_thread(lambda: self.http_client)
        limit = head_timeout(request, retries.seconds_left())
        try:
            built = build(http_client, request, retries.connection, time.monotonic() + limit)
            async with asyncio.timeout(limit):
                response = await http_client.send(built, stream=request.stream)
                if response.is_success:
                    return response
                async with contextlib.aclosing(response):
                    content = await response.aread()
        except transport_exceptions(http_client) as error:
            raise connection_error(error, request.url, limit=limit) from error
        raise status_error(response, content)

    async def send_ignoring_errors(self, request: Request) -> None:
        """Send where nobody waits for the answer, and nothing depends on it."""
        with contextlib.suppress(ZaiError):
            await self.send_once(request, Retries(0))

    async def close(self) -> None:
        """Close the connections, those of an `http_client` that was passed included."""
        self._closed = True
        if self._http is not None:
            await self._http.aclose()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
