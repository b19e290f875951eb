"""A blocking transport for httpx2, with keep-alive connections.

It does not support proxies: `transport.py` uses httpx2's own transport for them.
"""

import contextlib
import math
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import httpx2

from zai.errors import ZaiError
from zai.http.http1 import RequestResponseCycle
from zai.http.pool import ConnectionPool

__all__ = ["Http1Transport", "Origin", "configure", "is_readable", "origin_of", "response_of", "ssl_context"]

_READ_BYTES: Final = 65536
_FINAL: Final = 200  # the first status that is not of an interim response
_PROBES: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 60, "TCP_KEEPCNT": 5}
"""Seconds of silence before a probe (on Linux; on macOS), between two, and how many may be lost."""

Origin = tuple[str, str, int]
"""Scheme, host and port."""


def origin_of(request: httpx2.Request) -> Origin:
    """Return the origin of a request."""
    url = request.url
    return (url.scheme, url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80))


def response_of(
    cycle: RequestResponseCycle, body: httpx2.SyncByteStream | httpx2.AsyncByteStream
) -> httpx2.Response:
    """Build the response whose head the cycle has read."""
    return httpx2.Response(
        cycle.response.status,
        headers=cycle.headers,
        stream=body,
        extensions={"http_version": b"HTTP/1.1"},
    )


def ssl_context() -> ssl.SSLContext:
    """Create a context with the certificates that the environment trusts; reads files, which takes long."""
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        names = "SSL_CERT_FILE, SSL_CERT_DIR or SSLKEYLOGFILE"
        msg = f"TLS cannot use {names}: {error}; correct or unset it"
        raise ZaiError(msg) from error


class Http1Transport(httpx2.BaseTransport):
    """One connection per request, reused once the response was read to its end.

    A request's extensions may include `connection`, an `InterruptibleConnection` for the socket, and `end`, a
    deadline of the response's head, by `time.monotonic`.

    Args:
        max_idle: the maximum number of idle connections.
    """

    def __init__(self, max_idle: int = 10) -> None:
        self._idle: ConnectionPool[socket.socket] = ConnectionPool(max_idle)
        self._lock = threading.Lock()
        self._ssl_context: ssl.SSLContext | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and return once the response's head has come."""
        request.read()
        cycle = RequestResponseCycle(request)
        data = cycle.encode()
        origin = origin_of(request)
        timeout, end = request.extensions.get("timeout", {}), request.extensions.get("end", math.inf)
        connection = self._acquire(origin) or self._connect(origin, _seconds(timeout.get("connect"), end))
        try:
            if interruptible := request.extensions.get("connection"):
                interruptible.attach(connection)
            has_head = _send(connection, data, cycle, _seconds(timeout.get("write"), end))
            head_seconds = timeout.get("head", timeout.get("read"))
            end = min(end, time.monotonic() + (math.inf if head_seconds is None else head_seconds))
            while not has_head:
                connection.settimeout(_seconds(None, end))
                has_head = cycle.feed_head(connection.recv(_READ_BYTES))
            connection.settimeout(timeout.get("body", timeout.get("read")))
        except BaseException:
            connection.close()
            raise
        body = _Body(connection, cycle, partial(self._release, origin, connection))
        return response_of(cycle, body)

    def close(self) -> None:
        """Close the idle connections; others are closed with their responses."""
        for _, connection in self._idle.close():
            connection.close()

    def _release(self, origin: Origin, connection: socket.socket) -> None:
        """Keep a connection for reuse, or close it."""
        if not self._idle.put(origin, connection):
            connection.close()

    def _acquire(self, origin: Origin) -> socket.socket | None:
        """Return an idle connection that the server has not closed."""
        for _, old in self._idle.take_old():
            old.close()
        while (connection := self._idle.take(origin)) is not None:
            if not is_readable(connection):
                return connection
            connection.close()
        return None

    def _connect(self, origin: Origin, timeout: float | None) -> socket.socket:
        scheme, host, port = origin
        try:
            connection = socket.create_connection((host, port), timeout)
            configure(connection)
            if scheme != "https":
                return connection
            try:
                return self._context().wrap_socket(connection, server_hostname=host)
            except BaseException:
                connection.close()
                raise
        except TimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpx2.ConnectError(str(error)) from error

    def _context(self) -> ssl.SSLContext:
        with self._lock:
            if self._ssl_context is None:
                self._ssl_context = ssl_context()
            return self._ssl_context


def configure(connection: socket.socket) -> None:
    """Set the options of a new socket: no delay for small writes, and probes while the server is silent."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _send(connection: socket.socket, data: bytes, cycle: RequestResponseCycle, limit: float | None) -> bool:
    """Send a request; stop when the head of its response has come, as a rejection may, and return whether."""
    end = math.inf if limit is None else time.monotonic() + limit
    connection.settimeout(limit)
    unsent = memoryview(data)
    # After an error the response may be there nevertheless: reading tells.
    with contextlib.suppress(ConnectionError), selectors.DefaultSelector() as selector:
        unsent = unsent[connection.send(unsent) :]
        if unsent:
            selector.register(connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while unsent:
            left = _seconds(None, end)
            connection.settimeout(left)
            ready = selector.select(left)
            if not ready:
                raise TimeoutError
            if ready[0][1] & selectors.EVENT_READ and _read_head(connection, cycle):
                break
            if ready[0][1] & selectors.EVENT_WRITE:
                unsent = unsent[connection.send(unsent) :]
    cycle.is_sent = not unsent
    return bool(cycle.response.status >= _FINAL)


def _read_head(connection: socket.socket, cycle: RequestResponseCycle) -> bool:
    """Read what has come; with TLS that may be nothing of the response."""
    limit = connection.gettimeout()
    connection.setblocking(False)
    try:
        return cycle.feed_head(connection.recv(_READ_BYTES))
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    finally:
        connection.settimeout(limit)


def _seconds(limit: float | None, end: float) -> float | None:
    """Return the lower of a limit and the time until `end`; never 0, which would mean non-blocking."""
    remaining = min(math.inf if limit is None else limit, end - time.monotonic())
    return None if remaining == math.inf else max(remaining, 0.001)


def is_readable(connection: socket.socket) -> bool:
    """Whether something can be read, be it only the end that the server's close causes."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(0))


class _Body(httpx2.SyncByteStream):
    def __init__(
        self,
        connection: socket.socket,
        cycle: RequestResponseCycle,
        release: Callable[[], None],
    ) -> None:
        self._connection: socket.socket | None = connection
        self._cycle = cycle
        self._release = release

    def __iter__(self) -> Iterator[bytes]:
        cycle, connection = self._cycle, self._connection
        if connection is not None and (content := cycle.feed_body()):
            yield content
        while connection is not None and not cycle.response.is_done:
            data = connection.recv(_READ_BYTES)
            if not data:
                cycle.finish()
                return
            if content := cycle.feed_body(data):
                yield content

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._cycle.is_reusable:
            self._release()
        else:
            connection.close()

    def __del__(self) -> None:
        self.close()
