"""Documents in the SQLite file of the turn store, on a connection and in a thread of their own."""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from headrace.documents.base import Snapshot
from headrace.turns.settings import TurnSettings
from headrace.turns.sqlite_connection import SqliteConnection

__all__ = ["SqliteDocuments"]

T = TypeVar("T")

_VERSION: Final = "SELECT version FROM namespace WHERE name = ?"
_VALUE: Final = "SELECT value FROM document WHERE namespace = ? AND name = ?"


class SqliteDocuments:
    """`Documents` in a SQLite file. Versions are microseconds, so that they tell the time of the last write.

    Args:
        settings: `store` is `sqlite:FILE`; the file is created if missing, its directory is not.
        namespace: names the documents.
    """

    def __init__(self, settings: TurnSettings, namespace: str) -> None:
        self._namespace = namespace
        self._file = SqliteConnection(settings)
        self._thread = ThreadPoolExecutor(1, f"sqlite {namespace}")

    async def read(self, names: Collection[str]) -> Snapshot:
        return await self._call(self._read, names)

    async def version(self) -> int:
        return await self._call(self._read_version)

    async def write(self, version: int, changes: Mapping[str, bytes | None]) -> bool:
        return await self._call(self._write, version, changes)

    async def close(self) -> None:
        await self._call(self._file.close)
        self._thread.shutdown(wait=False)

    def _read(self, names: Collection[str]) -> Snapshot:
        with self._file.transaction(writes=False) as sql:
            version = self._version(sql)
            rows = {name: sql.execute(_VALUE, (self._namespace, name)).fetchone() for name in names}
        values = {name: row[0] for name, row in rows.items() if row is not None}
        return Snapshot(version, values, max(self._file.clock.now(), version / 1e6))

    def _read_version(self) -> int:
        with self._file.transaction(writes=False) as sql:
            return self._version(sql)

    def _write(self, version: int, changes: Mapping[str, bytes | None]) -> bool:
        with self._file.transaction() as sql:
            if self._version(sql) != version:
                return False
            for name, value in changes.items():
                if value is None:
                    sql.execute(
                        "DELETE FROM document WHERE namespace = ? AND name = ?", (self._namespace, name)
                    )
                else:
                    sql.execute("REPLACE INTO document VALUES (?, ?, ?)", (self._namespace, name, value))
            next_version = max(version + 1, int(self._file.clock.now() * 1e6))
            sql.execute("REPLACE INTO namespace VALUES (?, ?)", (self._namespace, next_version))
        return True

    def _version(self, sql: sqlite3.Connection) -> int:
        row = sql.execute(_VERSION, (self._namespace,)).fetchone()
        return row[0] if row else 0

    async def _call(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
