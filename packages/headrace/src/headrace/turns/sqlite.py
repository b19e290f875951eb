"""A turn store in a SQLite file, which several processes of one machine may share."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from headrace.turns.group_commit import GroupCommit
from headrace.turns.log_poller import Found, LogPoller
from headrace.turns.probes import Probes
from headrace.turns.settings import TurnSettings
from headrace.turns.sqlite_file import SqliteFile
from headrace.turns.store import (
    Append,
    AppendResult,
    Cursor,
    Followed,
    Liveness,
    StoredTurn,
    StoreError,
    Tail,
    TurnHeader,
)
from headrace.turns.watch import Watch

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore:
    """A `TurnStore` in a SQLite file. All SQL runs in one thread, so that the loop never waits for a disk.

    Args:
        settings: `store` is `sqlite:FILE`; the file is created if missing, its directory is not.
    """

    outlives_process = True

    def __init__(self, settings: TurnSettings) -> None:
        self.process = secrets.token_hex(8)
        self._lease = settings.lease
        self._is_closed = False
        self._file = SqliteFile(settings)
        self._thread = ThreadPoolExecutor(1, "sqlite")
        self._commit = GroupCommit(self._write, settings.store_retry_timeout)
        self._poller = LogPoller(self._poll, self._file.has_changed)
        self._probes = Probes(self._liveness, self._touch_readers, settings.lease)
        self._watch = Watch(self.liveness, self.touch_reader, settings.lease)

    def time_writes(self, report: Callable[[float], object]) -> None:
        self._commit.on_write = report

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        return await self._call(self._file.create, header, body, self.process, replaces)

    async def find(self, owner: str, request_id: str) -> str | None:
        return await self._call(self._file.find, owner, request_id)

    async def load(self, id: str) -> StoredTurn | None:
        return await self._call(self._file.load, id)

    def append(self, append: Append) -> None:
        """Save events: one transaction for all turns that are ready."""
        self._commit.add(append)

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        if wait:
            return await self._poller.next(id, after, wait) or Tail([], after)
        return await self._call(self._file.tail, id, after)

    def wake(self, id: str) -> None:
        self._poller.wake(id)

    def watch(self, turn: Followed) -> None:
        self._watch.add(turn)

    def unwatch(self, turn: Followed) -> None:
        self._watch.remove(turn)

    async def take_over(self, id: str, fence: int, *, has_died: bool = False) -> bool:
        return await self._call(partial(self._file.take_over, id, fence, self.process, has_died=has_died))

    async def release(self, id: str, fence: int) -> None:
        await self._call(partial(self._file.take_over, id, fence, "", has_died=False))

    async def delete(self, id: str) -> None:
        await self._call(self._file.delete, id)

    async def touch_reader(self, id: str) -> None:
        await self._probes.touch(id)

    async def reader_age(self, id: str) -> float:
        return await self._call(self._file.reader_age, id)

    async def heartbeat(self, ended: Collection[str] = ()) -> None:  # noqa: ARG002 - it is in the log
        await self._call(self._file.heartbeat, self.process)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._lease / 6  # the next heartbeat must be in time
        while loop.time() < until and await self._call(self._file.evict):
            pass

    async def running(self, owner: str) -> Sequence[TurnHeader]:
        headers = await self._call(self._file.unfinished)
        return [header for header in headers if header.owner == owner]

    async def stranded(self) -> Sequence[TurnHeader]:
        return await self._call(self._file.stranded, self._lease)

    async def liveness(self, process: str) -> Liveness:
        return await self._probes.liveness(process)

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._watch.close()
        await self._poller.close()
        await self._probes.close()
        await self._commit.drain()
        with contextlib.suppress(StoreError):
            await self._call(self._file.close, self.process)
        self._thread.shutdown(wait=False)

    async def _write(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        return await self._call(self._file.insert, batch)

    async def _poll(self, new: Mapping[str, Cursor], logs: Mapping[str, Cursor]) -> Sequence[Found]:
        return await self._call(self._file.poll, new, logs)

    async def _liveness(self, process: str) -> Liveness:
        age = await self._call(self._file.heartbeat_age, process)
        if age is None:
            return Liveness.LEFT
        return Liveness.ALIVE if age < self._lease else Liveness.EXPIRED

    async def _touch_readers(self, ids: Collection[str]) -> None:
        await self._call(self._file.touch_readers, ids)

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
