"""The way of a response's bytes to the client: without a task switch under uvicorn, by `send` elsewhere.

Under uvicorn, `write` puts a chunk on the connection's transport in the caller's stack, and the connection's
protocol reports a disconnect and a drained buffer by callbacks. Any other ASGI server gets two tasks.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from headrace.server.connection import Header, HttpConnection, Send
from headrace.server.http_protocol import HttpProtocol

__all__ = ["Channel", "open_channel"]

Callback = Callable[[], object]


class Channel(Protocol):
    """Sends one chunked response. `on_disconnect` and `on_writable` are called until it is closed."""

    @property
    def is_full(self) -> bool:
        """Whether nothing should be written before `on_writable` is called."""
        ...

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        """Send the head."""
        ...

    def write(self, data: bytes) -> None:
        """Send a part of the body: at least one byte."""
        ...

    async def finish(self) -> None:
        """Send the end of the body."""
        ...

    def abort(self) -> None:
        """Cut the connection: the client must not take the response for complete."""
        ...

    def close(self) -> None:
        """Call back no more."""
        ...


def _nothing() -> None:
    pass


def open_channel(
    connection: HttpConnection, on_disconnect: Callback, on_writable: Callback = _nothing
) -> Channel:
    """Return the fastest channel that the server allows."""
    cycle = getattr(connection.send, "__self__", None)
    if type(cycle) is RequestResponseCycle:
        protocol = cycle.transport.get_protocol()
        if isinstance(protocol, HttpProtocol):
            return _TransportChannel(cycle, protocol, connection.send, on_disconnect, on_writable)
    return _SendChannel(connection, on_disconnect, on_writable)


class _TransportChannel:
    """Writes to uvicorn's transport."""

    def __init__(
        self,
        cycle: RequestResponseCycle,
        protocol: HttpProtocol,
        send: Send,
        on_disconnect: Callback,
        on_writable: Callback,
    ) -> None:
        self._flow = cycle.flow
        self._transport = cycle.transport
        self._protocol = protocol
        self._send = send
        protocol.watch(on_disconnect, on_writable)
        if cycle.disconnected:
            asyncio.get_running_loop().call_soon(on_disconnect)

    @property
    def is_full(self) -> bool:
        return self._flow.write_paused

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def write(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})

    def abort(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        self._protocol.unwatch()


class _SendChannel:
    """Sends by ASGI, in a task; another one waits for the client's disconnect."""

    def __init__(self, connection: HttpConnection, on_disconnect: Callback, on_writable: Callback) -> None:
        self.is_full = False
        self._connection = connection
        self._on_disconnect = on_disconnect
        self._on_writable = on_writable
        self._unsent: list[bytes] = []
        self._has_unsent = asyncio.Event()
        self._receiving = asyncio.create_task(self._receive(), name="disconnect")
        self._sending: asyncio.Task[None] | None = None

    async def start(self, status: int, headers: Sequence[Header]) -> None:
        await self._connection.send({"type": "http.response.start", "status": status, "headers": headers})
        self._sending = asyncio.create_task(self._send(), name="send")

    def write(self, data: bytes) -> None:
        self.is_full = True
        self._unsent.append(data)
        self._has_unsent.set()

    async def finish(self) -> None:
        if self._sending is not None:
            self._unsent.append(b"")
            self._has_unsent.set()
            await self._sending
        await self._connection.send({"type": "http.response.body", "body": b""})

    def abort(self) -> None:
        self.close()

    def close(self) -> None:
        self._receiving.cancel()
        if self._sending is not None:
            self._sending.cancel()

    async def _receive(self) -> None:
        await self._connection.until_disconnect()
        self._on_disconnect()

    async def _send(self) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            unsent, self._unsent = self._unsent, []
            if data := b"".join(unsent):
                await self._connection.send({"type": "http.response.body", "body": data, "more_body": True})
            if unsent[-1] == b"":
                return
            self.is_full = bool(self._unsent)
            if not self.is_full:
                self._on_writable()
