"""Limits on open connections, in total and for each address.

At a limit, the connection that has waited longest for a complete request is closed to make room for a new
one: idle sockets cannot keep other clients out. A new connection is refused only if all others have one.
"""

import random
from collections import Counter
from typing import Final, Protocol

from headrace.errors import LimitError
from headrace.reached_limits import report_limit

__all__ = ["Closable", "Connections"]

_RETRY_AFTER: Final = (5.0, 10.0)  # seconds; at random, so that not all clients return at once


class Closable(Protocol):
    """A connection."""

    def evict(self) -> None:
        """Close it."""
        ...


class Connections:
    """The open connections of a server.

    Args:
        most: in total.
        most_per_address: from one address; not of clients without one, on a Unix socket.
    """

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self.are_kept = True
        """Whether a connection stays open after a response, for the client's next request."""
        self._by_address: Counter[str] = Counter()
        self._count = 0
        self._waiting: dict[Closable, str] = {}  # the longest first

    def add(self, connection: Closable, address: str) -> None:
        """Count a new connection, which waits for a request.

        Raises:
            LimitError: 1302, status 503: a limit is reached, and every connection has a request.
        """
        self._by_address[address] += 1
        self._count += 1
        if address and self._by_address[address] > self._most_per_address:
            shown = f"{self._most_per_address} from {address}"
            self._make_room(address, shown, "max_connections_per_address")
        elif self._count > self._most:
            self._make_room("", str(self._most), "max_connections")
        self._waiting[connection] = address

    def remove(self, connection: Closable, address: str) -> None:
        """Forget a connection that has ended."""
        self._waiting.pop(connection, None)
        self._count -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def wait(self, connection: Closable, address: str) -> None:
        """Note that a connection waits for its next request."""
        self._waiting.pop(connection, None)
        self._waiting[connection] = address

    def work(self, connection: Closable) -> None:
        """Note that a connection has a complete request."""
        self._waiting.pop(connection, None)

    def _make_room(self, address: str, shown: str, option: str) -> None:
        """Close a waiting connection, from an address unless that is ""."""
        report_limit(option, f"{shown} are open")
        for connection, its_address in self._waiting.items():
            if address in ("", its_address):
                del self._waiting[connection]
                connection.evict()
                return
        msg = f"too many open connections ({shown}); try again later"
        raise LimitError(msg, code="1302", status=503, retry_after=random.uniform(*_RETRY_AFTER))  # noqa: S311
