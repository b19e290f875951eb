"""A worker's side: it does what its supervisor tells it, and shuts down if its supervisor has died."""

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from headrace.server import memory
from headrace.server.drain import Server
from headrace.server.local import most_connections, new_server
from headrace.server.workers.messages import Accept, Drain, Failed, Leaving, Ready, Reload, Start

__all__ = ["Worker"]

_LEAST_DELAY = 1.0  # seconds for requests on connections that were accepted before


class Worker:
    """This process, as its supervisor knows it.

    Args:
        descriptors: those of the connection to the supervisor, and of the listening sockets.
    """

    def __init__(self, descriptors: Sequence[int]) -> None:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self._connection = Connection(descriptors[0])
        self._listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors[1:]]

    def start(self) -> Start:
        """Wait for the configuration.

        Raises:
            EOFError: the supervisor has died.
        """
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # only the supervisor reads the configuration
        message = self._connection.recv()
        assert isinstance(message, Start)
        return message

    def fail(self, reason: str) -> None:
        """Report why this process cannot serve."""
        self._connection.send(Failed(reason))

    def serve(self, app: Any, start: Start, banner: str) -> None:
        """Serve until the supervisor ends this process, or has died itself."""
        memory.tune()
        settings = start.configuration.settings
        server = new_server(_WorkerServer, app, settings, self._listeners, most_connections(settings))
        server.hands_over = not start.has_private_store
        server.connection = self._connection
        server.banner = banner
        server.run()


class _WorkerServer(Server):
    connection: Connection
    banner: str
    _has_to_leave = False

    async def opened(self) -> None:
        """Report to the supervisor, which decides on what to accept connections."""
        assert self._loop is not None
        self._loop.add_reader(self.connection.fileno(), self._receive)
        self.connection.send(Ready(self.banner))
        if self._has_to_leave:
            self._leave()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to shut down at SIGTERM, however often it comes; hurry at SIGINT."""
        if sig == signal.SIGINT:
            self.shut_down(hurry=True)
        else:
            self._has_to_leave = True
            self.call_soon(self._leave)

    def _leave(self) -> None:
        """Let other workers accept new connections; the supervisor responds with `Drain`."""
        with suppress(OSError):  # `_receive` reads the end of the connection
            self.connection.send(Leaving())

    def _receive(self) -> None:
        assert self._loop is not None
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self._loop.remove_reader(self.connection.fileno())
            self.shut_down(hurry=False)
            return
        match message:
            case Accept(listeners):
                self._loop.create_task(self.accept(listeners))
            case Reload(settings):
                self.reload(settings)
            case Drain(is_alone):
                self.least_delay = _LEAST_DELAY if is_alone else 0.0
                self.hands_over |= is_alone
                self.shut_down(hurry=False)
