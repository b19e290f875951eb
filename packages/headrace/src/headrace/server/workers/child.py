"""A worker as its supervisor sees it: a process, and a connection to it."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

from headrace.server.workers.messages import Accept, Drain, Failed, Leaving, Ready

__all__ = ["Child"]


_NOTHING = Accept(frozenset())


class Child:
    """A process that was started.

    Args:
        process: that of the worker.
        connection: the supervisor's end.
    """

    def __init__(self, process: Process, connection: Connection) -> None:
        self.banner = ""
        self.was_ready = False
        self.is_leaving = False
        self._process = process
        self._connection = connection
        self._failure = ""
        self._accepts = _NOTHING

    def send(self, message: object) -> None:
        """Send a message, unless the process has ended."""
        with suppress(OSError):
            self._connection.send(message)

    def accept(self, message: Accept) -> None:
        """Send this message, if it is new."""
        if message != self._accepts:
            self._accepts = message
            self.send(message)

    def signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait(self, on_change: Callable[[], None]) -> str:
        """Wait for the end of the process; return how it has ended.

        Args:
            on_change: called when `was_ready` or `is_leaving` has changed.
        """
        loop = asyncio.get_running_loop()
        descriptor = self._connection.fileno()
        loop.add_reader(descriptor, self._receive, on_change)
        status = await self._process.wait()
        self._receive(on_change)
        loop.remove_reader(descriptor)
        self._connection.close()
        return self._failure or _describe(status)

    def _receive(self, on_change: Callable[[], None]) -> None:
        """Read what the worker has sent, up to the end of the connection."""
        try:
            while self._connection.poll():
                match self._connection.recv():
                    case Failed(reason):
                        self._failure = reason
                    case Ready(banner):
                        self.banner, self.was_ready = banner, True
                        on_change()
                    case Leaving():
                        self.is_leaving = True
                        on_change()
                        self.send(Drain(self._accepts == _NOTHING))
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._connection.fileno())


def _describe(status: int) -> str:
    """Describe the end of a process that has given no reason."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
