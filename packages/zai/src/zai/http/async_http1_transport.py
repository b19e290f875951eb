"""An asyncio transport for httpx2, with keep-alive connections."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, Final

import aiohappyeyeballs
import httpx2

from zai.http.http1 import RequestResponseCycle
from zai.http.http1_transport import Origin, configure, is_readable, origin_of, response_of, ssl_context
from zai.http.pool import ConnectionPool

__all__ = ["AsyncHttp1Transport"]

_READ_BYTES: Final = 65536
_ADDRESS_DELAY: Final = 0.25  # seconds until the next address of a name is tried

_Key = tuple[Origin, asyncio.AbstractEventLoop]


class _Reader(asyncio.StreamReader):
    """Counts unread bytes, and raises the error that ended a connection only after them."""

    unread = 0
    news: asyncio.Event | None = None
    """Is set when something is received."""
    error: Exception | None = None

    def feed_data(self, data: Any) -> None:  # bytes
        self.unread += len(data)
        super().feed_data(data)
        if self.news is not None:
            self.news.set()

    def set_exception(self, exc: Exception) -> None:
        self.error = exc
        self.feed_eof()

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self.unread -= len(data)
        if self.error is not None and not data:
            raise self.error
        return data


Connection = tuple[_Reader, asyncio.StreamWriter]


class AsyncHttp1Transport(httpx2.AsyncBaseTransport):
    """One connection per request, reused once the response was read to its end.

    Args:
        max_idle: the maximum number of idle connections.
    """

    def __init__(self, max_idle: int = 10) -> None:
        self._idle: ConnectionPool[Connection] = ConnectionPool(max_idle)
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
            if writer.transport.get_write_buffer_size():
                await _drain(reader, writer, timeout.get("write"))
            async with asyncio.timeout(timeout.get("head", timeout.get("read"))):
                while not cycle.feed_head(await reader.read(_READ_BYTES)):
                    pass
        except BaseException:
            writer.transport.abort()  # `close` would wait until everything is sent
            raise
        body = _Body(
            connection,
            cycle,
            partial(self._release, (origin, asyncio.get_running_loop()), connection),
            timeout.get("body", timeout.get("read")),
        )
        return response_of(cycle, body)

    async def aclose(self) -> None:
        """Close the idle connections; others are closed with their responses."""
        for key, (_, writer) in self._idle.close():
            _close_in(key, writer)

    def _release(self, key: _Key, connection: Connection) -> None:
        """Keep a connection for reuse, or close it."""
        _, writer = connection
        if writer.transport.get_write_buffer_size() or not self._idle.put(key, connection):
            writer.transport.abort()

    def _acquire(self, origin: Origin) -> Connection | None:
        """Return an idle connection of this event loop that the server has not closed."""
        for key, (_, writer) in self._idle.take_old():
            _close_in(key, writer)
        while (connection := self._idle.take((origin, asyncio.get_running_loop()))) is not None:
            if _is_idle(*connection):
                return connection
            connection[1].transport.abort()
        return None

    async def _connect(self, origin: Origin, seconds: float | None) -> Connection:
        scheme, host, port = origin
        context = await self._context() if scheme == "https" else None
        loop = asyncio.get_running_loop()
        reader = _Reader(_READ_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            async with asyncio.timeout(seconds):
                sock = await _open_socket(host, port)
                name = host if context else None
                transport, _ = await loop.create_connection(
                    lambda: protocol, sock=sock, ssl=context, server_hostname=name
                )
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


def _close_in(key: Any, writer: asyncio.StreamWriter) -> None:
    _, loop = key
    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(writer.close)


async def _open_socket(host: str, port: int) -> socket.socket:
    """Connect to the first address of a name that responds (RFC 8305)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=_ADDRESS_DELAY, interleave=1)
    configure(sock)
    return sock


async def _drain(reader: _Reader, writer: asyncio.StreamWriter, seconds: float | None) -> None:
    """Wait until a request was sent or something was received, such as a rejection.

    Raises:
        TimeoutError: neither happened in time.
    """

    async def drain() -> None:
        with contextlib.suppress(ConnectionError):  # the response may be there nevertheless: reading tells
            await writer.drain()

    reader.news = asyncio.Event()
    tasks = [asyncio.create_task(drain()), asyncio.create_task(reader.news.wait())]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        reader.news = None
        for task in tasks:
            task.cancel()
    if not done:
        raise TimeoutError


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
        if self._cycle.is_reusable:
            self._release()
        else:
            connection[1].transport.abort()
