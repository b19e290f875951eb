"""Ends a blocked read from outside: the only way to bound one in every HTTP library alike."""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["InterruptibleConnection", "Watchdog"]


class InterruptibleConnection:
    """What a request goes over, one connection after another. Any thread may cut it; it stays cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._interrupted = threading.Event()
        self._connection: socket.socket | None = None

    @property
    def is_interrupted(self) -> bool:
        """True after `cut`."""
        return self._interrupted.is_set()

    def attach(self, connection: socket.socket | None) -> None:
        """This one is used from now on; None: the last one may be another's from now on."""
        with self._lock:
            self._connection = connection
            self._end_reads()

    def interrupt(self) -> None:
        """A read or a sleep that is under way, in whichever thread, ends, and so does every later one."""
        self._interrupted.set()
        with self._lock:
            self._end_reads()

    def sleep(self, seconds: float) -> None:
        """Wait, unless it is cut."""
        self._interrupted.wait(seconds)

    def _end_reads(self) -> None:
        if self._connection is not None and self.is_interrupted:
            with contextlib.suppress(OSError):  # it is closed already
                # Not the method of an SSL socket, which would take its state away from the reading thread.
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


class Watchdog:
    """While it is entered, cuts the line once no time is left.

    Args:
        line: whose reads are watched.
        left: says how many seconds there are at a time of `time.monotonic`.
        nap: after so many seconds at the latest it is asked again, since it may have changed.
    """

    def __init__(
        self, connection: InterruptibleConnection, left: Callable[[float], float], nap: float = math.inf
    ) -> None:
        self._connection = connection
        self._seconds_left = left
        self._nap = min(nap, threading.TIMEOUT_MAX)
        self._exited = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="zai-watchdog", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exited.set()

    def _watch(self) -> None:
        while (wait := self._seconds_left(time.monotonic())) > 0:
            if self._exited.wait(min(wait, self._nap)):
                return
        self._connection.interrupt()
