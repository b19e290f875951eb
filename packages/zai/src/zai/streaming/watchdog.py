"""Ends a blocked read from outside: the only way to bound one in every HTTP library alike."""

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

__all__ = ["Watchdog", "interrupt"]


def interrupt(response: Any) -> None:
    """A read of the response that is under way, in whichever thread, sees the end of the bytes."""
    network = getattr(response, "extensions", {}).get("network_stream")
    sock = network and network.get_extra_info("socket")
    if isinstance(sock, socket.socket):
        with contextlib.suppress(OSError):  # it is closed already
            # Not the method of an SSL socket, which would take its state away from the reading thread.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Watchdog:
    """While it is entered, interrupts the response once no time is left.

    Args:
        response: whose reads are watched.
        left: says how many seconds there are at a time of `time.monotonic`.
        nap: after so many seconds at the latest it is asked again, since it may have changed.
    """

    def __init__(self, response: Any, left: Callable[[float], float], nap: float = math.inf) -> None:
        self._response = response
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
        interrupt(self._response)
