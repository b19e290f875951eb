"""The interface of documents: a few small named values that all processes of a store share.

    snapshot = await documents.read(["a", "b"])
    await documents.write(snapshot.version, {"a": b"…", "b": None})    False: read again, it has changed

All documents of a namespace have one version, which every write raises. So a decision over several documents
is atomic, without locks and in the caller's own code.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

__all__ = ["Documents", "Snapshot"]


class Snapshot(NamedTuple):
    """Documents at one moment.

    Args:
        version: 0 if nothing was ever written.
        values: those that were asked for and exist.
        now: the store's time in seconds since 1970, the same for all processes. It does not go backwards.
    """

    version: int
    values: Mapping[str, bytes]
    now: float


class Documents(Protocol):
    """The documents of a namespace. Their names are not empty."""

    async def read(self, names: Collection[str]) -> Snapshot:
        """Return documents.

        Raises:
            StoreError: the store is unavailable.
        """
        ...

    async def version(self) -> int:
        """Return the version alone, for those who wait for a change.

        Raises:
            StoreError: the store is unavailable.
        """
        ...

    async def write(self, version: int, changes: Mapping[str, bytes | None]) -> bool:
        """Set or delete (None) documents if the version is still `version`; return whether it was.

        Raises:
            StoreError: the store is unavailable; whether it has written is unknown.
        """
        ...

    async def close(self) -> None:
        """Release all resources. Never raises."""
        ...
