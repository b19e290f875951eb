"""Documents in the memory of this process."""

import time
from collections.abc import Collection, Mapping

from headrace.documents.base import Snapshot

__all__ = ["MemoryDocuments"]


class MemoryDocuments:
    """`Documents` in memory: each instance is a namespace of its own.

    Args:
        beside: documents that this instance shares, as if in another process; for tests.
    """

    def __init__(self, *, beside: "MemoryDocuments | None" = None) -> None:
        self._shared: _Namespace = beside._shared if beside else _Namespace()  # noqa: SLF001

    async def read(self, names: Collection[str]) -> Snapshot:
        shared = self._shared
        values = {name: shared.values[name] for name in names if name in shared.values}
        return Snapshot(shared.version, values, shared.offset + time.monotonic())

    async def version(self) -> int:
        return self._shared.version

    async def write(self, version: int, changes: Mapping[str, bytes | None]) -> bool:
        shared = self._shared
        if shared.version != version:
            return False
        shared.version += 1
        for name, value in changes.items():
            if value is None:
                shared.values.pop(name, None)
            else:
                shared.values[name] = value
        return True

    async def close(self) -> None:
        pass


class _Namespace:
    def __init__(self) -> None:
        self.version = 0
        self.values: dict[str, bytes] = {}
        self.offset = time.time() - time.monotonic()
