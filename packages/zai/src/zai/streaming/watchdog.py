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
    """While it is entered, interrupts the response once `deadline` has passed.

    Args:
        response: whose reads are watched.
        deadline: says when, on the clock of `time.monotonic`.
        nap: after so many seconds at the latest it is asked again, since it may have changed.
    """

    def __init__(self, response: Any, deadline: Callable[[], float], nap: float = math.inf) -> None:
        self._response = response
        self._deadline = deadline
        self._nap = min(nap, threading.TIMEOUT_MAX)
        self._left = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, name="zai-watchdog", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()

    def _watch(self) -> None:
        while (wait := self._deadline() - time.monotonic()) > 0:
            if self._left.wait(min(wait, self._nap)):
                return
        interrupt(self._response)
