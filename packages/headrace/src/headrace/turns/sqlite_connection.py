"""A connection to the file of a SQLite store. Blocking; used by one thread."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.turns.settings import TurnSettings
from headrace.turns.sqlite_clock import SqliteClock
from headrace.turns.sqlite_schema import SCHEMA
from headrace.turns.sqlite_wal import BUSY_TIMEOUT, WriteAheadLog
from headrace.turns.store import StoreError

__all__ = ["SqliteConnection"]

_LOGGER = logging.getLogger("headrace.turns")
_DAMAGE: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class SqliteConnection:
    """The file is opened by the first transaction, and again after it was deleted, replaced or damaged.

    Args:
        settings: `store` is `sqlite:FILE`; the file is created if missing, its directory is not.
        on_open: called within a transaction that writes, each time the file is opened.
    """

    def __init__(
        self, settings: TurnSettings, on_open: Callable[[sqlite3.Connection], object] | None = None
    ) -> None:
        self.clock = SqliteClock()
        self._path = settings.store.partition(":")[2]
        self._wal = WriteAheadLog(self._path, settings.store_size)
        self._on_open = on_open
        self._connection: sqlite3.Connection | None = None
        self._identity: object = None  # of the file that is open

    @property
    def excess(self) -> int:
        """The bytes of the write-ahead log beyond its usual size."""
        return self._wal.excess

    def has_changed(self) -> bool:
        """Return whether any process may have written since the previous call. Does not block."""
        return self._wal.has_changed()

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[sqlite3.Connection]:
        """Run SQL in a transaction, and commit it if the block raises nothing.

        Raises:
            StoreError: the file cannot be used.
        """
        try:
            if self._connection is not None and self._identity != _identify(self._path):
                _LOGGER.error("the turn store %s was deleted or replaced; its turns may be lost", self._path)
                self.close()
            sql = self._connection or self._open()
            sql.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield sql
                sql.execute("COMMIT")
            finally:
                if sql.in_transaction:
                    sql.execute("ROLLBACK")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE:
                self.close()  # the next transaction opens what is there by then
            msg = f"the turn store {self._path} is unavailable: {error}"
            raise StoreError(msg, public="the turn store is unavailable; try again later") from error

    def shrink_log(self) -> None:
        """Truncate a long write-ahead log."""
        if self._connection is not None:
            self._wal.shrink(self._connection)

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        sql = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT, isolation_level=None)
        try:
            sql.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file
            self._wal.begin(sql)
            sql.execute("PRAGMA synchronous = NORMAL")
            sql.executescript(SCHEMA)
            sql.execute("BEGIN IMMEDIATE")
            self.clock.synchronize(sql)
            if self._on_open is not None:
                self._on_open(sql)
            sql.execute("COMMIT")
        except sqlite3.Error:
            sql.close()
            raise
        self._connection, self._identity = sql, _identify(self._path)
        return sql


def _identify(path: str) -> object:
    """Return what changes if the file or its write-ahead log is deleted, replaced or emptied.

    It must not be opened: closing it would release SQLite's locks on it (POSIX).
    """
    with suppress(OSError):
        file, log = Path(path).stat(), Path(f"{path}-wal").stat()
        return file.st_dev, file.st_ino, file.st_size > 0, log.st_ino
    return None
