"""Idle connections, kept for the next request. Neither opens nor closes any."""

import os
import threading
import time
from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

__all__ = ["MAX_IDLE_SECONDS", "ConnectionPool"]

MAX_IDLE_SECONDS: Final = 4.0
"""uvicorn, and so many servers, closes idle connections after five seconds; some firewalls forget them."""

C = TypeVar("C")


class _Idle(NamedTuple, Generic[C]):
    key: Hashable
    connection: C
    since: float


class ConnectionPool(Generic[C]):
    """The idle connections of a transport, for any number of threads.

    After a fork the child has none: both processes would read from the same connection.

    Args:
        limit: the maximum number of connections.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parents: object = None  # a parent process's; closing them may disturb its event loop
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[_Idle[C]] = []

    def __len__(self) -> int:
        return len(self._idle)

    def put(self, key: Hashable, connection: C) -> bool:
        """Keep a connection; False if there are enough."""
        self._check_process()
        with self._lock:
            has_room = len(self._idle) < self._limit
            if has_room:
                self._idle.append(_Idle(key, connection, time.monotonic()))
            return has_room

    def take(self, key: Hashable) -> C | None:
        """Remove and return the connection with this key that became idle last; None if there is none."""
        self._check_process()
        with self._lock:
            matching = [idle for idle in self._idle if idle.key == key]
            if not matching:
                return None
            self._idle.remove(matching[-1])
            connection: C = matching[-1].connection
            return connection

    def take_old(self) -> list[tuple[Hashable, C]]:
        """Remove and return the connections that have been idle for too long, with their keys."""
        return self._take_until(time.monotonic() - MAX_IDLE_SECONDS)

    def close(self) -> list[tuple[Hashable, C]]:
        """Remove and return all connections; keep none from now on."""
        self._limit = 0
        return self._take_until(float("inf"))

    def _take_until(self, latest: float) -> list[tuple[Hashable, C]]:
        self._check_process()
        with self._lock:
            old = [idle for idle in self._idle if idle.since <= latest]
            if old:
                self._idle = [idle for idle in self._idle if idle.since > latest]
            return [(idle.key, idle.connection) for idle in old]

    def _check_process(self) -> None:
        if self._process != os.getpid():
            self._parents, self._idle = self._idle, []
            self._process = os.getpid()
            self._lock = threading.Lock()
