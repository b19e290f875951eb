"""uvicorn's server with a shutdown in steps, so that clients and load balancers can change to another server.

    SERVING ── a signal ──▶ LEAVING ── drain delay ──▶ DRAINING ── idle, or shutdown timeout ──▶ ENDING
                            /readyz is 503;            no new turns;                   what is left ends
                            connections are            resumable turns are             within a second
                            not kept                   handed over

A second signal leads to ENDING at once. Until then the server listens, so that health checks get a response.

Its settings can be replaced while it runs. A connection keeps those that were valid when it was opened.
"""

import asyncio
import fcntl
import logging
import socket
import struct
import termios
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Final, Protocol, runtime_checkable

import uvicorn

from headrace.configuration.certificate import load_certificate
from headrace.configuration.settings import Settings
from headrace.errors import HeadraceError
from headrace.options import OptionError
from headrace.server.connections import Connections
from headrace.server.http_protocol import HttpProtocol, Limits
from headrace.server.request_log import log_unread

__all__ = ["Operated", "Server"]

_LOGGER: Final = logging.getLogger("headrace.server")
_ENDING: Final = 0.5  # seconds for the last frames after the shutdown timeout, or after a second signal
_INTERVAL: Final = 0.1  # seconds between two checks while the server drains
_DATE_INTERVAL: Final = 1.0  # seconds; the resolution of the header `Date`
_STALL: Final = 5.0  # seconds after which a client that takes nothing is disconnected


@runtime_checkable
class Operated(Protocol):
    """An application that takes part in the shutdown and in reloads."""

    def refused_unread(self, error: HeadraceError, client: str, request_id: str) -> None:
        """Note the response to a connection, or to bytes, from which no request was read."""
        ...

    def reload(self, settings: Settings) -> None:
        """Use new settings for requests from now on."""
        ...

    def leave(self) -> None:
        """Report from now on that the server is shutting down."""
        ...

    async def drain(self, *, hand_over: bool) -> None:
        """Start no more turns.

        Args:
            hand_over: leave the running ones to other servers, as far as possible. Otherwise they end here.
        """
        ...


class Server(uvicorn.Server):
    """Serves an application until a signal, or until `shut_down` is called.

    Args:
        config: for uvicorn.
        app: the application, if it takes part in the shutdown and in reloads.
        connections: the open ones.
        settings: the limits of connections, the certificate, and the timeouts of the shutdown.
        listeners: the listening sockets. The server accepts on copies of them.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        app: Operated | None,
        connections: Connections,
        settings: Settings,
        listeners: Sequence[socket.socket],
    ) -> None:
        super().__init__(config)
        self.hands_over = True
        """Whether other servers can continue the turns of this one."""
        self.least_delay = 0.0
        """Seconds of the drain delay, at least."""
        self.ended_by = 0
        """The first signal to end."""
        self._app = app
        self._connections = connections
        self._listeners = listeners
        self._accepting: dict[int, asyncio.Server] = {}  # by the number of the listener
        self._changing = asyncio.Lock()
        has_certificate = settings.tls_cert
        self._tls = load_certificate(settings.tls_cert, settings.tls_key) if has_certificate else None
        self._use(settings)
        self._stalled = _Stalls()
        self._drain: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handover: asyncio.Task[None] | None = None
        self._is_hurried = False  # by a second signal

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """See uvicorn."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=[])
        await self.opened()

    async def opened(self) -> None:
        """Begin to serve: the application is ready."""
        await self.accept(range(len(self._listeners)))

    async def accept(self, numbers: Collection[int]) -> None:
        """Accept the connections of the listeners with these numbers, and of no others."""
        async with self._changing:
            if self._drain is not None and self._drain.done():
                return  # uvicorn has closed, or will close, what accepts now
            for number in self._accepting.keys() - numbers:
                server = self._accepting.pop(number)
                server.close()
                self.servers.remove(server)
            for number in sorted(set(numbers) - self._accepting.keys()):
                server = await asyncio.get_running_loop().create_server(
                    self._new_connection,
                    sock=self._listeners[number].dup(),
                    backlog=self.config.backlog,
                    ssl=self._tls,
                    ssl_handshake_timeout=self._settings.request_timeout if self._tls else None,
                )
                self._accepting[number] = server
                self.servers.append(server)

    def reload(self, settings: Settings) -> None:
        """Use new settings from now on, unless the server is shutting down."""
        if self.should_exit:
            return
        if self._tls is not None:
            try:
                load_certificate(settings.tls_cert, settings.tls_key, self._tls)
            except OptionError as error:  # the files have changed once more since the settings were checked
                _LOGGER.warning("reload: the certificate remains as it was: %s", error.message)
        self._use(settings)
        if self._app is not None:
            self._app.reload(settings)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn. Then write the log: a signal that was caught ends the process next."""
        for listener in self._listeners:  # otherwise new connections would wait for nothing
            listener.close()
        await super().shutdown(sockets)
        for handler in logging.getLogger().handlers:
            handler.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Handle SIGTERM and SIGINT: begin to shut down, or hurry."""
        self.ended_by = self.ended_by or sig
        self.shut_down(hurry=self.should_exit)

    def shut_down(self, *, hurry: bool) -> None:
        """Begin to shut down. Can be called by a signal handler, and by any thread.

        Args:
            hurry: end the answers that are left at once.
        """
        self._is_hurried |= hurry
        self.should_exit = True
        self.call_soon(self._begin)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function in the event loop, while the server serves. From any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(function)

    async def main_loop(self) -> None:
        """Renew the header `Date` until the drain is over.

        uvicorn's own loop wakes up ten times per second, which takes 0.6 ms each time with cold caches, such
        as those of a process that decodes.
        """
        while not self._drained.is_set():
            await self.on_tick(0)
            with suppress(TimeoutError):
                async with asyncio.timeout(_DATE_INTERVAL):
                    await self._drained.wait()

    def _use(self, settings: Settings) -> None:
        self._settings = settings
        self._limits = Limits(
            self._connections,
            settings.request_timeout,
            settings.max_head_size,
            settings.max_header_fields,
            log_unread if self._app is None else self._app.refused_unread,
        )
        self.config.timeout_keep_alive = settings.connection_idle_timeout  # type: ignore[assignment]

    def _new_connection(self) -> asyncio.Protocol:
        return HttpProtocol(
            self._limits,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )

    def _begin(self) -> None:
        if self._drain is not None:
            return
        if self._app is not None:
            self._app.leave()
        self._connections.are_kept = False
        connections: set[Any] = self.server_state.connections
        for connection in connections:
            connection.close_after_response()
        self._drain = asyncio.create_task(self._run(), name="drain")
        self._drain.add_done_callback(lambda _: self._drained.set())

    async def _run(self) -> None:
        await self._wait(max(self._settings.drain_delay, self.least_delay))
        if self._app is not None:
            self._handover = asyncio.create_task(self._app.drain(hand_over=self.hands_over), name="handover")
            await asyncio.wait([self._handover], timeout=_INTERVAL)
        await self._wait(self._settings.shutdown_timeout, until_idle=True)
        for task in self.server_state.tasks:
            task.cancel()
        self._is_hurried = False
        await self._wait(_ENDING, until_idle=True)
        for connection in list(self.server_state.connections):
            # Closing a TLS connection would wait for the client's part in it.
            if self._tls is not None or _unsent(connection.transport):
                connection.transport.abort()

    async def _wait(self, seconds: float, *, until_idle: bool = False) -> None:
        """Wait until there are no more requests, if `until_idle`; not after a second signal."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self._is_hurried and (left := deadline - loop.time()) > 0:
            if until_idle:
                self._stalled.check(self.server_state.connections, loop.time())
                if self._is_idle():
                    return
            await asyncio.sleep(min(left, _INTERVAL))

    def _is_idle(self) -> bool:
        state = self.server_state
        if self._handover is not None and not self._handover.done():
            return False
        return not state.tasks and not any(_unsent(each.transport) for each in state.connections)


class _Stalls:
    """Disconnects clients that take nothing: their requests would never end."""

    def __init__(self) -> None:
        self._since: dict[Any, tuple[tuple[int, int], float]] = {}

    def check(self, connections: set[Any], now: float) -> None:
        """Note what each connection has not sent yet, and abort those where that has long been the same."""
        since: dict[Any, tuple[tuple[int, int], float]] = {}
        for connection in connections:
            transport = connection.transport
            if not (waiting := _unsent(transport)):
                continue
            unsent = (waiting, _unacknowledged(transport))
            before, then = self._since.get(connection, (unsent, now))
            since[connection] = (unsent, then if unsent == before else now)
            if now - since[connection][1] >= _STALL:
                transport.abort()
        self._since = since


def _unsent(transport: asyncio.WriteTransport) -> int:
    """Return the bytes that wait for the kernel."""
    return transport.get_write_buffer_size()


def _unacknowledged(transport: asyncio.WriteTransport) -> int:
    """Return the bytes that the kernel has, and the client's has not."""
    with suppress(OSError):
        number = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        return int(struct.unpack("i", number)[0])
    return 0
