"""A bounded queue that serves the owners of its entries in turn."""

from collections import deque
from collections.abc import Iterator
from itertools import chain
from typing import Generic, TypeVar

from headrace.errors import LimitError
from headrace.reached_limits import report_limit

__all__ = ["FairQueue"]

T = TypeVar("T")


class FairQueue(Generic[T]):
    """First in, first out for each owner; round robin between owners.

    Args:
        limit: of entries in total.
        limit_per_owner: of entries of one owner; the owner "" (a server without keys) has only the total.
    """

    def __init__(self, limit: int, limit_per_owner: int) -> None:
        self._limit = limit
        self._limit_per_owner = limit_per_owner
        self._by_owner: dict[str, deque[T]] = {}  # the next owner is the first; none is empty
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[T]:
        return chain.from_iterable(self._by_owner.values())

    def put(self, owner: str, entry: T) -> None:
        """Add an entry.

        Raises:
            LimitError: 1302, the owner has too many entries; 1305, the queue is full.
        """
        entries = self._by_owner.get(owner, ())
        if owner and len(entries) >= self._limit_per_owner:
            msg = f"{len(entries)} requests of this key are waiting for the model; wait for their answers"
            report_limit("max_waiting_per_key", msg)
            raise LimitError(msg, code="1302")
        if self._size >= self._limit:
            msg = f"{self._size} requests are waiting for the model; try again later"
            report_limit("max_waiting", msg)
            raise LimitError(msg, code="1305")
        self._by_owner.setdefault(owner, deque()).append(entry)
        self._size += 1

    def take(self) -> T:
        """Remove and return the next entry; the queue must not be empty."""
        owner = next(iter(self._by_owner))
        entries = self._by_owner.pop(owner)
        self._size -= 1
        entry = entries.popleft()
        if entries:
            self._by_owner[owner] = entries  # behind all others
        return entry

    def discard(self, owner: str, entry: T) -> None:
        """Remove an entry, if it is there."""
        entries = self._by_owner.get(owner, deque())
        if entry in entries:
            entries.remove(entry)
            self._size -= 1
            if not entries:
                del self._by_owner[owner]
