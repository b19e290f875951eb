"""The way of a response's bytes to the client: without a task switch under uvicorn, by `send` elsewhere.

Under uvicorn, `write` puts a chunk on the connection's transport in the caller's stack, and the connection's
protocol reports a disconnect and a drained buffer by callbacks. Any other ASGI server gets two tasks.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from headrace.http1 import encode_chunk
from headrace.server.connection import Header, HttpConnection
from headrace.server.http_protocol import HttpProtocol, encode_head

__all__ = ["Channel", "open_channel"]

Callback = Callable[[], object]

_CHUNKED: Final = (b"transfer-encoding", b"chunked")
_CLOSE: Final = (b"connection", b"close")
_NO_MESSAGES: Final = asyncio.Event()  # for requests that are complete; one of their own would take 800 bytes


class Channel(Protocol):
    """Sends one chunked response. `on_disconnect` and `on_writable` are called until it is closed."""

    def start(self, headers: Sequence[Header]) -> None:
        """Begin a response of status 200, whose head is sent with the first write."""
        ...

    def write(self, data: bytes) -> bool:
        """Send a part of the body; the first one may be empty.

        Returns whether nothing more should be written before `on_writable` is called.
        """
        ...

    async def finish(self, data: bytes) -> None:
        """Send the last part of the body, and its end."""
        ...

    def abort(self) -> None:
        """Cut the connection: the client must not take the response for complete."""
        ...

    def cut(self, data: bytes) -> None:
        """Send a last part of the body, and then cut the connection, so that the client reconnects."""
        ...

    def close(self) -> None:
        """Call back no more."""
        ...


def _nothing() -> None:
    pass


def open_channel(
    connection: HttpConnection, on_disconnect: Callback, on_writable: Callback = _nothing
) -> Channel:
    """Return the fastest channel that the server allows; the request has been read, and its headers go."""
    connection.drop_headers()
    cycle = getattr(connection.send, "__self__", None)
    if type(cycle) is RequestResponseCycle:
        protocol = cycle.transport.get_protocol()
        if isinstance(protocol, HttpProtocol):
            return _TransportChannel(cycle, protocol, on_disconnect, on_writable)
    return _SendChannel(connection, on_disconnect, on_writable)


class _TransportChannel:
    """Writes to uvicorn's transport, and keeps the state of uvicorn's cycle as its `send` would."""

    def __init__(
        self,
        cycle: RequestResponseCycle,
        protocol: HttpProtocol,
        on_disconnect: Callback,
        on_writable: Callback,
    ) -> None:
        cycle.message_event = _NO_MESSAGES
        self._cycle = cycle
        self._flow = cycle.flow
        self._transport = cycle.transport
        self._protocol = protocol
        self._head = b""  # until it is sent
        protocol.watch(on_disconnect, on_writable)
        if cycle.disconnected:
            on_disconnect()

    def start(self, headers: Sequence[Header]) -> None:
        cycle = self._cycle
        cycle.response_started = True
        framing = [_CHUNKED] if cycle.keep_alive else [_CHUNKED, _CLOSE]
        self._head = encode_head(200, [*cycle.default_headers, *headers, *framing])

    def write(self, data: bytes) -> bool:
        chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
        if self._head:
            chunk, self._head = self._head + chunk, b""
        self._transport.write(chunk)
        return self._flow.write_paused

    async def finish(self, data: bytes) -> None:
        cycle = self._cycle
        if cycle.disconnected:
            return
        last = encode_chunk(data) if data else b""
        self._transport.write(self._head + last + encode_chunk(b""))
        cycle.response_complete = True
        if not cycle.keep_alive:
            self._transport.close()
        cycle.on_response()

    def abort(self) -> None:
        self._cycle.disconnected = True  # so that uvicorn does not report an incomplete response
        self._transport.abort()

    def cut(self, data: bytes) -> None:
        self.write(data)
        self._transport.close()  # when the client has read it; then `on_disconnect` is called

    def close(self) -> None:
        self._protocol.unwatch()


class _SendChannel:
    """Sends by ASGI, in a task; another one waits for the client's disconnect."""

    def __init__(self, connection: HttpConnection, on_disconnect: Callback, on_writable: Callback) -> None:
        self._is_full = False
        self._connection = connection
        self._on_disconnect = on_disconnect
        self._on_writable = on_writable
        self._unsent: list[bytes] = []
        self._has_unsent = asyncio.Event()
        self._receiving = asyncio.create_task(self._receive(), name="disconnect")
        self._sending: asyncio.Task[None] | None = None
        self._is_finishing = False

    def start(self, headers: Sequence[Header]) -> None:
        self._sending = asyncio.create_task(self._send(headers), name="send")

    def write(self, data: bytes) -> bool:
        if data:
            self._is_full = True
            self._unsent.append(data)
            self._has_unsent.set()
        return self._is_full

    async def finish(self, data: bytes) -> None:
        self.write(data)
        self._is_finishing = True
        self._has_unsent.set()
        if self._sending is not None:
            await self._sending

    def abort(self) -> None:
        self.close()

    def cut(self, _: bytes) -> None:
        self.close()
        self._on_disconnect()

    def close(self) -> None:
        self._receiving.cancel()
        if self._sending is not None:
            self._sending.cancel()

    async def _receive(self) -> None:
        await self._connection.until_disconnect()
        self._on_disconnect()

    async def _send(self, headers: Sequence[Header]) -> None:
        send = self._connection.send
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while self._unsent or not self._is_finishing:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            unsent, self._unsent = self._unsent, []
            await send({"type": "http.response.body", "body": b"".join(unsent), "more_body": True})
            self._is_full = bool(self._unsent)
            if not self._is_full:
                self._on_writable()
        await send({"type": "http.response.body", "body": b""})
