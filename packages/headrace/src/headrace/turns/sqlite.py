"""Turns in a SQLite file: they outlive the process, and several processes of one machine may share them."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from headrace.turns.group_commit import GroupCommit
from headrace.turns.log_poller import LogPoller
from headrace.turns.sqlite_file import SqliteFile
from headrace.turns.store import Append, Cursor, Liveness, Outcome, StoredTurn, StoreError, Tail, TurnHeader

__all__ = ["SqliteStore"]

T = TypeVar("T")

_POLL: Final = 0.02  # seconds between two looks at what other processes wrote


class SqliteStore:
    """See `headrace.turns.store.TurnStore`. One thread does everything: the loop never waits for a disk.

    Args:
        path: the file; it is made if it is not there, its folder is not.
        size: bytes of the file that may be used; the oldest logs that have ended go first.
        retention: seconds that a log is kept after its last event.
        tombstone_ttl: seconds for which a turn without its log is remembered.
        lease: seconds without a beat after which a process counts as dead.
        patience: seconds for which an append is tried again.
    """

    outlives_process = True

    def __init__(
        self,
        path: Path,
        *,
        size: int = 256 * 1024 * 1024,
        retention: float = 3600.0,
        tombstone_ttl: float = 86400.0,
        lease: float = 6.0,
        patience: float = 10.0,
    ) -> None:
        self.process = secrets.token_hex(8)
        self._lease = lease
        self._is_closed = False
        self._file = SqliteFile(path, size=size, retention=retention, tombstone_ttl=tombstone_ttl)
        self._thread = ThreadPoolExecutor(1, "sqlite")
        self._commit = GroupCommit(self._write, patience)
        self._poller = LogPoller(self._look)

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        """See `TurnStore`."""
        return await self._call(self._file.create, header, body, self.process, replaces)

    async def load(self, id: str) -> StoredTurn | None:
        """See `TurnStore`."""
        return await self._call(self._file.load, id)

    def append(self, append: Append) -> None:
        """One transaction for all turns that are ready."""
        self._commit.add(append)

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        """See `TurnStore`."""
        if wait and (tail := await self._poller.next(id, after, wait)):
            return tail
        return await self._call(self._file.tail, id, after)

    async def take_over(self, id: str, fence: int) -> bool:
        """See `TurnStore`."""
        return await self._call(self._file.take_over, id, fence, self.process)

    async def touch_reader(self, id: str) -> None:
        """See `TurnStore`."""
        await self._call(self._file.touch_reader, id)

    async def has_reader(self, id: str) -> bool:
        """See `TurnStore`."""
        return await self._call(self._file.reader_silence, id) < self._lease

    async def beat(self) -> None:
        """See `TurnStore`."""
        await self._call(self._file.beat, self.process)

    async def life(self, process: str) -> Liveness:
        """See `TurnStore`."""
        silence = await self._call(self._file.silence, process)
        if silence is None:
            return Liveness.LEFT
        return Liveness.ALIVE if silence < self._lease else Liveness.SILENT

    async def close(self) -> None:
        """See `TurnStore`."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._poller.close()
        await self._commit.drain()
        with contextlib.suppress(StoreError):
            await self._call(self._file.close, self.process)
        self._thread.shutdown(wait=False)

    async def _write(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        return await self._call(self._file.insert, batch)

    async def _look(self, asked: Mapping[str, Cursor]) -> Mapping[str, Tail]:
        tails = await self._call(self._file.news, asked)
        if not tails:
            await asyncio.sleep(_POLL)
        return tails

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
