"""Waits in a blocking program, which another thread can end; `async_interruptible.py` is for asyncio.

Both have the same names, since the code that uses them here is generated from that for asyncio.
"""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Self, cast

from zai.http.deadlines import Deadlines
from zai.http.request import Request
from zai.http.transport import build_request, is_plain
from zai.http_library import Client, Response

__all__ = ["AlreadyRunning", "DetachedTasks", "InterruptibleConnection", "Watchdog", "iter_body"]

AlreadyRunning: Final = ValueError
"""Raised by a generator that is closed while another thread runs it."""


class InterruptibleConnection:
    """The connection of a request, a new one for each retry. Any thread may interrupt it, for good.

    Shutting the socket down is the only way to bound a read in every HTTP library alike.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupted = threading.Event()
        self._socket: socket.socket | None = None

    @property
    def is_interrupted(self) -> bool:
        """True after `interrupt`."""
        return self._interrupted.is_set()

    def attach(self, connection: socket.socket) -> None:
        """Make this the socket that `interrupt` shuts down."""
        with self._lock:
            self._socket = connection
            self._end_reads()

    def detach(self) -> None:
        """Leave the socket alone from now on: another request may get it."""
        with self._lock:
            self._socket = None

    def interrupt(self) -> None:
        """End the read or the sleep in progress, in whichever thread, and every later one."""
        self._interrupted.set()
        with self._lock:
            self._end_reads()

    def send(self, http_client: Client, request: Request, end: float) -> Response:
        """Return the response once its head has come; `end` bounds that with the SDK's own transport."""
        built = build_request(http_client, request, connection=self, end=end)
        response = http_client.send(built, stream=request.stream)
        stream = response.extensions.get("network_stream")
        connection = stream and stream.get_extra_info("socket")
        if isinstance(connection, socket.socket):  # of a library that does not know the extension
            self.attach(connection)
        return response

    def sleep(self, seconds: float) -> None:
        """Sleep until interrupted."""
        self._interrupted.wait(seconds)

    def deadline(self, end: float) -> AbstractContextManager[object]:
        """Interrupt the connection at `end`, by `time.monotonic`, if the block is still running."""
        return contextlib.nullcontext() if end == math.inf else Watchdog(self, lambda now: end - now)

    def watch(self, body: Iterator[bytes], deadlines: Deadlines | None) -> Iterator[bytes]:
        """Yield the same bytes; raise TimeoutError, or end, if a deadline passes before the next."""
        return body if deadlines is None else self._watch(body, deadlines)

    def _watch(self, body: Iterator[bytes], deadlines: Deadlines) -> Iterator[bytes]:
        with Watchdog(self, deadlines.remaining, deadlines.idle):
            for data in body:
                if deadlines.remaining(time.monotonic()) <= 0:
                    raise TimeoutError
                yield data

    def _end_reads(self) -> None:
        if self._socket is not None and self.is_interrupted:
            with contextlib.suppress(OSError):  # closed already
                # Not the method of an SSL socket, which would take its state away from the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Watchdog:
    """A thread that interrupts a connection when no time remains, unless the block ends before.

    Args:
        connection: the one to interrupt.
        remaining: returns the seconds that remain at a time of `time.monotonic`.
        interval: seconds after which `remaining` is called again at the latest, since it may have changed.
    """

    def __init__(
        self,
        connection: InterruptibleConnection,
        remaining: Callable[[float], float],
        interval: float = math.inf,
    ) -> None:
        self._connection = connection
        self._remaining = remaining
        self._interval = min(interval, threading.TIMEOUT_MAX)
        self._exited = threading.Event()

    def __enter__(self) -> Self:
        with contextlib.suppress(RuntimeError):  # Python 3.12.0 starts no thread while the interpreter ends
            threading.Thread(target=self._watch, name="zai-watchdog", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._exited.set()

    def _watch(self) -> None:
        while (wait := self._remaining(time.monotonic())) > 0:
            if self._exited.wait(min(wait, self._interval)):
                return
        self._connection.interrupt()


class DetachedTasks:
    """Calls, where asyncio needs tasks that go on if their callers are cancelled."""

    def run(self, start: Callable[[], None]) -> None:
        """Call it."""
        start()

    def finish(self, end: Callable[[], None]) -> None:
        """Call it after all others."""
        end()


def iter_body(response: Response) -> Iterator[bytes]:
    """Yield the body incrementally, decompressed if necessary."""
    return iter(cast("Iterator[bytes]", response.stream)) if is_plain(response) else response.iter_bytes()
