"""One request and its response: connects if it must, and tries again if an idle connection was stale.

    CONNECTING ──▶ SENT ──▶ OVER         stop, or an error, leads to OVER from everywhere
         ▲──────────┘ stale

Whatever leads to OVER, the listener's `on_end` is called once, later.
"""

import asyncio
import os
import ssl
from collections.abc import Callable
from socket import gaierror
from time import monotonic
from typing import Final

from headrace.engines.http.connection import Connection
from headrace.engines.http.pool import ConnectionPool
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.transport import ResponseHead, ResponseListener
from headrace.errors import HeadraceError, IncompleteError, UnreachableError
from headrace.http1 import ProtocolError, ResponseReader

__all__ = ["OutgoingRequest"]

_MAX_TRIES: Final = 3


class OutgoingRequest:
    """See `headrace.engines.base.Run`.

    Args:
        pool: has connections to the server.
        upstream: the server, for messages.
        method: of the request.
        request: the head, and as much of the body as is known.
        listener: receives the response.
    """

    def __init__(
        self,
        pool: ConnectionPool,
        upstream: Upstream,
        method: str,
        request: bytes,
        listener: ResponseListener,
    ) -> None:
        self._pool = pool
        self._upstream = upstream
        self._method = method
        self._request = [request]
        self._listener = listener
        self.on_body = listener.on_body
        self._connection: Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._tries = 0
        self._has_head = False
        self._is_paused = False
        self._is_over = False
        self._try()

    def stop(self) -> None:
        """See `Run`."""
        if self._is_over:
            return
        self._is_over = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abort()
        asyncio.get_running_loop().call_soon(self._listener.on_end, None)

    def pause(self) -> None:
        """See `Run`."""
        self._is_paused = True
        if self._connection is not None and not self._is_over:
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        """See `Run`."""
        self._is_paused = False
        if self._connection is not None and not self._is_over:
            self._connection.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send more of the request's body, framed as the head has announced."""
        self._request.append(data)  # an attempt on another connection sends it again
        if self._connection is not None and not self._is_over:
            self._connection.transport.write(data)

    def measure(self, report: Callable[[float], None]) -> None:
        """Report the seconds that the listener takes for the next part of the body; others cost no more."""

        def on_body(data: bytes) -> None:
            self.on_body = self._listener.on_body
            began = monotonic()
            self.on_body(data)
            report(monotonic() - began)

        self.on_body = on_body

    # --- as the connection's handler --------------------------------------------------------------------

    def on_head(self, reader: ResponseReader) -> None:
        """Pass the head on."""
        self._has_head = True
        self._request = []
        content_type = reader.header(b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
        retry_after = reader.header(b"retry-after").decode("latin-1")
        reader.drop_headers()
        self._listener.on_head(ResponseHead(reader.status, content_type, retry_after))

    def on_last(self, data: bytes) -> None:
        """Pass the end of the body on."""
        self._is_over = True
        if data:
            self.on_body(data)
        self._listener.on_end(None)

    def on_lost(self, error: Exception, *, is_stale: bool) -> None:
        """Try again on another connection, or report the error."""
        self._connection = None
        if is_stale and self._tries < _MAX_TRIES:
            self._try()
        elif self._has_head:
            msg = f"connection to {self._upstream.name} lost: {_reason(error)}"
            self._end(IncompleteError(msg, public="the connection to the model's server was lost"))
        else:
            self._end(self._unreachable(error))

    # --- connecting -------------------------------------------------------------------------------------

    def _try(self) -> None:
        self._tries += 1
        if connection := self._pool.take():
            self._send(connection)
        else:
            self._connecting = asyncio.create_task(self._connect(), name="connect")

    async def _connect(self) -> None:
        try:
            connection = await self._pool.connect()
        except (OSError, TimeoutError, ProtocolError) as error:
            self._end(self._unreachable(error))
            return
        finally:
            self._connecting = None
        if self._is_over:
            connection.abort()
        else:
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        self._connection = connection
        connection.send(self._method, b"".join(self._request), self)
        if self._is_paused:
            connection.transport.pause_reading()

    def _unreachable(self, error: Exception) -> UnreachableError:
        msg = f"{self._upstream.name} is unreachable: {_reason(error)}"
        msg += "; check the URL, and that the server is running"
        return UnreachableError(msg, public="the model's server is unreachable")

    def _end(self, error: HeadraceError) -> None:
        self._is_over = True
        self._listener.on_end(error)


def _reason(error: Exception) -> str:
    """Describe an error without the words of sockets and of asyncio."""
    match error:
        case ProtocolError():
            return error.message
        case TimeoutError(errno=None):
            return "no connection within 5 s"
        case ssl.SSLCertVerificationError():
            return f"its TLS certificate cannot be trusted: {error.verify_message}"
        case ssl.SSLError():
            return "the TLS handshake failed; an http:// URL has none"
        case gaierror():
            return "no address is known for this name"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return "the connection failed"
