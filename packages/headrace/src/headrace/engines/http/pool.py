"""Connections to one server: opened where none is idle, directly or through a proxy, and kept for reuse."""

import asyncio
import encodings.idna  # noqa: F401 - resolving the first address would import it
import socket
import ssl
import sys
from typing import Final, cast
from urllib.parse import SplitResult

import aiohappyeyeballs

from headrace.engines.http.connection import Connection
from headrace.engines.http.proxy import Proxy, find_proxy
from headrace.http1 import ProtocolError, ResponseReader, encode_request

__all__ = ["ConnectionPool"]

_CONNECT_TIMEOUT: Final = 5.0  # seconds, name resolution and TLS included
_PROBE_AFTER: Final = 10  # seconds without data until the server's TCP is probed
_PROBE_INTERVAL: Final = 5  # seconds until it is probed again, or taken for gone
_UNACKNOWLEDGED: Final = 15_000  # milliseconds until a server that acknowledges nothing is taken for gone
_ADDRESS_DELAY: Final = 0.25  # seconds until the next address of a name is tried (RFC 8305)
_IDLE_TIMEOUT: Final = 4.0  # seconds: uvicorn, and so vLLM and SGLang, closes idle connections after five

_RECEIVE_BUFFER: Final = 128 * 1024
"""Bytes that the kernel may keep of what a server sends, by default many megabytes.

uvloop reads 250 KiB at a time, and 32 times in a row while there are as many: 0.2 s for which no other
connection is served.
"""


class ConnectionPool:
    """The connections to the server of a URL, within one event loop.

    Args:
        url: scheme, host and port count.
        context: for https.
    """

    def __init__(self, url: SplitResult, context: ssl.SSLContext | None) -> None:
        self.proxy = find_proxy(url)
        self._context = context
        self._host = url.hostname or ""
        self._port = url.port or (443 if context else 80)
        self._idle: dict[Connection, float] = {}  # until when; the next to expire is the first
        self._timer: asyncio.TimerHandle | None = None  # one for all, while there are any

    def take(self) -> Connection | None:
        """Return the connection that became idle last; None if there is none."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.is_quiet:
                return connection
            connection.abort()
        return None

    async def connect(self) -> Connection:
        """Open a connection.

        Raises:
            OSError, TimeoutError: the server cannot be reached, or its certificate does not match.
            ProtocolError: the proxy refused.
        """
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_TIMEOUT):
            connection = Connection(self._keep, self._drop)
            protocol = cast("asyncio.Protocol", connection)  # it has all methods of one
            if self.proxy is None:
                sock = await _open_socket(self._host, self._port)
                name = self._host if self._context else None
                await loop.create_connection(
                    lambda: protocol, sock=sock, ssl=self._context, server_hostname=name
                )
                return connection
            sock = await _open_socket(self.proxy.host, self.proxy.port)
            if self._context is None:
                await loop.create_connection(lambda: protocol, sock=sock)
                return connection
            transport = await self._tunnel(sock, self.proxy)
            secured = await loop.start_tls(transport, protocol, self._context, server_hostname=self._host)
            assert secured is not None
            connection.connection_made(secured)
            return connection

    def close(self) -> None:
        """Close the idle connections; those in use end with their responses."""
        while connection := self.take():
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()

    async def _tunnel(self, sock: socket.socket, proxy: Proxy) -> asyncio.Transport:
        host = f"[{self._host}]" if ":" in self._host else self._host
        target = f"{host}:{self._port}".encode()
        headers = [(b"Host", target)]
        if proxy.authorization:
            headers.append((b"Proxy-Authorization", proxy.authorization.encode()))
        loop = asyncio.get_running_loop()
        transport, tunnel = await loop.create_connection(_Tunnel, sock=sock)
        try:
            transport.write(encode_request(b"CONNECT", target, headers))
            await tunnel.opened
        except BaseException:
            transport.abort()
            raise
        return transport

    def _keep(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self._idle[connection] = loop.time() + _IDLE_TIMEOUT
        if self._timer is None:
            self._timer = loop.call_later(_IDLE_TIMEOUT, self._expire)

    def _drop(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def _expire(self) -> None:
        """Close the connections whose time is over, and wait for the next one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for connection, expiry in [*self._idle.items()]:
            if expiry > loop.time():
                self._timer = loop.call_at(expiry, self._expire)
                return
            del self._idle[connection]
            connection.abort()


class _Tunnel(asyncio.Protocol):
    """Waits for a proxy's response to CONNECT."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = ResponseReader("HEAD")  # a successful response has no body

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            return
        try:
            if not self._reader.read_head(data):
                return
        except ProtocolError as error:
            self.opened.set_exception(error)
            return
        if self._reader.status == 200:
            self.opened.set_result(None)
        else:
            msg = f"the proxy refused the connection with status {self._reader.status}"
            self.opened.set_exception(ProtocolError(msg))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ProtocolError("the proxy closed the connection"))


async def _open_socket(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sock = await aiohappyeyeballs.start_connection(found, happy_eyeballs_delay=_ADDRESS_DELAY, interleave=1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    if sys.platform == "linux":  # a machine that has gone does not close its connections
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_INTERVAL)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
    return sock
