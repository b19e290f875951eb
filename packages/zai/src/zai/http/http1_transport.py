"""The transports of our own clients under httpx2's interface: connections, and which of them are free.

They know nothing of proxies: behind one, httpx2's own do the work (see `transport.py`).
"""

import math
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import httpx2

from zai.errors import ZaiError
from zai.http.http1 import RequestResponseCycle

__all__ = ["Http1Transport", "Origin", "origin_of", "response_of", "ssl_context"]

_READ_BYTES: Final = 65536

Origin = tuple[str, str, int]
"""Scheme, host and port."""


def origin_of(request: httpx2.Request) -> Origin:
    """Where a request goes."""
    url = request.url
    return (url.scheme, url.raw_host.decode(), url.port or (443 if url.scheme == "https" else 80))


def response_of(cycle: RequestResponseCycle, body: Any) -> httpx2.Response:
    """The response whose head the cycle has read."""
    return httpx2.Response(
        cycle.status,
        headers=cycle.headers,
        stream=body,
        extensions={"http_version": b"HTTP/1.1"},
    )


def ssl_context() -> ssl.SSLContext:
    """With the certificates that the environment trusts; reads files, which takes long."""
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        names = "SSL_CERT_FILE, SSL_CERT_DIR or SSLKEYLOGFILE"
        msg = f"TLS cannot use what {names} says: {error}; correct or unset it"
        raise ZaiError(msg) from error


class Http1Transport(httpx2.BaseTransport):
    """One connection a request, used again when its response was read to the end.

    A request's extensions may have a `line`, which then holds its connection, and an `end`, by
    `time.monotonic`: when the head of its response must have come.

    Args:
        max_idle: free connections that are kept.
    """

    def __init__(self, max_idle: int = 10) -> None:
        self._max_idle = max_idle
        self._idle: list[tuple[Origin, socket.socket]] = []
        self._lock = threading.Lock()
        self._ssl_context: ssl.SSLContext | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and return as soon as the head of the response is there."""
        request.read()
        cycle = RequestResponseCycle(request)
        data = cycle.encode()
        origin = origin_of(request)
        timeout, end = request.extensions.get("timeout", {}), request.extensions.get("end", math.inf)
        connection = self._take(origin) or self._connect(origin, _seconds(timeout.get("connect"), end))
        try:
            if interruptible := request.extensions.get("connection"):
                interruptible.attach(connection)
            connection.settimeout(_seconds(timeout.get("write"), end))
            connection.sendall(data)
            first = None
            while first is None:
                connection.settimeout(_seconds(timeout.get("read"), end))
                first = cycle.feed_head(connection.recv(_READ_BYTES))
            connection.settimeout(timeout.get("body"))
        except BaseException:
            connection.close()
            raise
        body = _Body(connection, cycle, first, partial(self._release, origin, connection))
        return response_of(cycle, body)

    def close(self) -> None:
        """Close the free connections; those in use close with their responses."""
        with self._lock:
            idle, self._idle, self._max_idle = self._idle, [], 0
        for _, connection in idle:
            connection.close()

    def _release(self, origin: Origin, connection: socket.socket) -> None:
        """The connection is free."""
        with self._lock:
            if len(self._idle) < self._max_idle:
                self._idle.append((origin, connection))
                return
        connection.close()

    def _take(self, origin: Origin) -> socket.socket | None:
        """A free connection that the server has not closed meanwhile."""
        while True:
            with self._lock:
                fitting = [entry for entry in self._idle if entry[0] == origin]
                if not fitting:
                    return None
                self._idle.remove(fitting[-1])
            connection = fitting[-1][1]
            if _is_idle(connection):
                return connection
            connection.close()

    def _connect(self, origin: Origin, timeout: float | None) -> socket.socket:
        scheme, host, port = origin
        try:
            connection = socket.create_connection((host, port), timeout)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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


def _seconds(limit: float | None, end: float) -> float | None:
    """What is left of a limit, and before the end; never 0, which would not wait at all."""
    left = min(math.inf if limit is None else limit, end - time.monotonic())
    return None if left == math.inf else max(left, 0.001)


def _is_idle(connection: socket.socket) -> bool:
    """Nothing has come that nobody asked for: such as the end."""
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return not selector.select(0)


class _Body(httpx2.SyncByteStream):
    def __init__(
        self, connection: socket.socket, cycle: RequestResponseCycle, first: bytes, keep: Callable[[], None]
    ) -> None:
        self._connection: socket.socket | None = connection
        self._cycle = cycle
        self._first = first
        self._release = keep

    def __iter__(self) -> Iterator[bytes]:
        cycle, connection = self._cycle, self._connection
        if self._first:
            yield self._first
        while connection is not None and not cycle.body.is_done:
            data = connection.recv(_READ_BYTES)
            if not data:
                cycle.check_eof()
                return
            if piece := cycle.body.feed(data):
                yield piece

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
