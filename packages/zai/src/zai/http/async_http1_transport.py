"""An asyncio transport for httpx2, with keep-alive connections."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

import httpx2

from zai.http.http1 import RequestResponseCycle
from zai.http.http1_transport import Origin, is_readable, origin_of, response_of, ssl_context

__all__ = ["AsyncHttp1Transport"]

_READ_BYTES: Final = 65536


class _Reader(asyncio.StreamReader):
    """Counts the bytes that were received and not read yet."""

    unread = 0

    def feed_data(self, data: Any) -> None:  # bytes
        self.unread += len(data)
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self.unread -= len(data)
        return data


Connection = tuple[_Reader, asyncio.StreamWriter]


class AsyncHttp1Transport(httpx2.AsyncBaseTransport):
    """One connection per request, reused once the response was read to its end.

    Args:
        max_idle: the maximum number of idle connections.
    """

    def __init__(self, max_idle: int = 10) -> None:
        self._max_idle = max_idle
        self._idle: list[tuple[Origin, asyncio.AbstractEventLoop, Connection]] = []
        self._ssl_context: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and return once the response's head has come."""
        await request.aread()
        cycle = RequestResponseCycle(request)
        data = cycle.encode()
        origin = origin_of(request)
        timeout = request.extensions.get("timeout", {})
        connection = self._acquire(origin) or await self._connect(origin, timeout.get("connect"))
        reader, writer = connection
        try:
            writer.write(data)
            async with asyncio.timeout(timeout.get("write")):
                await writer.drain()
            async with asyncio.timeout(timeout.get("head", timeout.get("read"))):
                while not cycle.feed_head(await reader.read(_READ_BYTES)):
                    pass
        except BaseException:
            writer.close()
            raise
        body = _Body(
            connection,
            cycle,
            partial(self._release, origin, connection),
            timeout.get("body", timeout.get("read")),
        )
        return response_of(cycle, body)

    async def aclose(self) -> None:
        """Close the idle connections; others are closed with their responses."""
        idle, self._idle, self._max_idle = self._idle, [], 0
        for _, loop, (_, writer) in idle:
            _close_in(loop, writer)

    def _release(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection for reuse, or close it."""
        if len(self._idle) < self._max_idle:
            self._idle.append((origin, asyncio.get_running_loop(), connection))
        else:
            connection[1].close()

    def _acquire(self, origin: Origin) -> Connection | None:
        """Return an idle connection of this event loop that the server has not closed."""
        here = asyncio.get_running_loop()
        for entry in self._idle[::-1]:
            owner, loop, (reader, writer) = entry
            if loop is here and owner != origin:
                continue
            self._idle.remove(entry)
            if loop is here and _is_idle(reader, writer):
                return reader, writer
            _close_in(loop, writer)
        return None

    async def _connect(self, origin: Origin, seconds: float | None) -> Connection:
        scheme, host, port = origin
        context = await self._context() if scheme == "https" else None
        loop = asyncio.get_running_loop()
        reader = _Reader(_READ_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            async with asyncio.timeout(seconds):
                transport, _ = await loop.create_connection(lambda: protocol, host, port, ssl=context)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _context(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = await asyncio.to_thread(ssl_context)
        return self._ssl_context


def _is_idle(reader: _Reader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection is open, and nothing was received that was not requested (RFC 9112, 6.3)."""
    if reader.unread or reader.at_eof() or writer.is_closing():
        return False
    return not is_readable(writer.get_extra_info("socket"))


def _close_in(loop: asyncio.AbstractEventLoop, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(writer.close)


class _Body(httpx2.AsyncByteStream):
    def __init__(
        self,
        connection: Connection,
        cycle: RequestResponseCycle,
        release: Callable[[], None],
        read_seconds: float | None,
    ) -> None:
        self._connection: Connection | None = connection
        self._cycle = cycle
        self._release = release
        self._read_seconds = read_seconds

    async def __aiter__(self) -> AsyncIterator[bytes]:
        cycle, connection = self._cycle, self._connection
        if connection is not None and (content := cycle.feed_body()):
            yield content
        while connection is not None and not cycle.response.is_done:
            async with asyncio.timeout(self._read_seconds):
                data = await connection[0].read(_READ_BYTES)
            if not data:
                cycle.finish()
                return
            if content := cycle.feed_body(data):
                yield content

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._cycle.response.is_reusable:
            self._release()
        else:
            connection[1].close()
