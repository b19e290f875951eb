"""One keep-alive connection to a server: bytes from its socket reach the listener in the same call stack.

IDLE ── send ──▶ HEAD ── the head is complete ──▶ BODY ── the response ends ──▶ IDLE
│                └──────────────┴── stop, an error, the connection ends ──▶ CLOSED
└── any byte, or the end: nothing was requested ──▶ CLOSED
"""

import asyncio
import select
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol, cast

from headrace.http1 import ProtocolError, ResponseReader

__all__ = ["Connection", "ResponseHandler"]


class ResponseHandler(Protocol):
    """Receives one response. `on_last` or `on_lost` is the last call."""

    def on_head(self, reader: ResponseReader) -> None:
        """Receive status and headers."""
        ...

    @property
    def on_body(self) -> Callable[[bytes], None]:
        """Receives at least one byte of the body, except the last ones."""
        ...

    def on_last(self, data: bytes) -> None:
        """Receive the last bytes of the body, perhaps none."""
        ...

    def on_lost(self, error: Exception, *, is_stale: bool) -> None:
        """The response will not be complete. `is_stale`: the server had closed an idle connection."""
        ...


class _State(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    CLOSED = auto()


_IDLE, _HEAD, _BODY, _CLOSED = _State  # Python 3.11 takes long to find a member


class Connection:
    """A connection, and the request on it, if there is one.

    An `asyncio.Protocol` that does not inherit from it: compiled, a class without Python's own above has a
    layout in C.

    Args:
        on_idle: called when it can carry another request.
        on_closed: called when it ended while it was idle.
    """

    def __init__(
        self, on_idle: Callable[["Connection"], None], on_closed: Callable[["Connection"], None]
    ) -> None:
        self.transport: asyncio.Transport
        self._on_idle = on_idle
        self._on_closed = on_closed
        self._state = _IDLE
        self._reader = ResponseReader("")
        self._handler: ResponseHandler | None = None
        self._poll: select.poll | None = None
        self._requests = 0
        self._is_silent = True  # no byte of the response has come

    @property
    def is_quiet(self) -> bool:
        """Whether it is open and nothing has arrived that was not requested, not even in the kernel."""
        if self.transport.is_closing():
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def send(self, method: str, request: bytes, handler: ResponseHandler) -> None:
        """Send a request; the connection must be idle."""
        self._state = _HEAD
        self._reader = ResponseReader(method)
        self._handler = handler
        self._requests += 1
        self._is_silent = True
        self.transport.write(request)

    def abort(self) -> None:
        """Close at once: the server stops. The handler hears nothing more."""
        self._handler = None
        self._state = _CLOSED
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read the response and pass it on."""
        handler, reader = self._handler, self._reader
        if handler is None:
            self.transport.abort()  # nothing was requested: RFC 9112, 6.3
            return
        try:
            if self._state is _HEAD:
                self._is_silent = False
                if not reader.read_head(data):
                    return
                self._state = _BODY
                handler.on_head(reader)
                if self._handler is None:
                    return
                data = b""
            body = reader.read_body(data)
        except ProtocolError as error:
            self._lose(error)
            return
        if reader.is_done:
            self._finish(handler, body)
        elif body:
            handler.on_body(body)

    def connection_lost(self, error: Exception | None) -> None:
        """Report an incomplete response."""
        if self._state is _IDLE:
            self._state = _CLOSED
            self._on_closed(self)
            return
        if self._handler is None:
            return
        handler, reader = self._handler, self._reader
        try:
            if self._state is _HEAD:
                reader.read_head(b"")
            reader.finish()
        except ProtocolError as incomplete:
            self._lose(error or incomplete)
            return
        self._finish(handler, b"")

    def eof_received(self) -> None:
        """Let the transport close itself."""

    def pause_writing(self) -> None:
        """Requests are small: nothing waits for room."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def _finish(self, handler: ResponseHandler, body: bytes) -> None:
        self._handler = None
        if self._reader.is_reusable and not self.transport.is_closing():
            self._state = _IDLE
            self.transport.resume_reading()
            self._on_idle(self)
        else:
            self._state = _CLOSED
            self.transport.close()
        handler.on_last(body)

    def _lose(self, error: Exception) -> None:
        handler, self._handler = self._handler, None
        is_stale = self._state is _HEAD and self._is_silent and self._requests > 1
        self._state = _CLOSED
        self.transport.abort()
        if handler is not None:
            handler.on_lost(error, is_stale=is_stale)
