"""The write-ahead log of the SQLite store.

It is short, unless another program, such as a backup, keeps a read transaction open: then it grows with
every write, and nothing is written back to the database.
"""

import logging
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["BUSY_TIMEOUT", "WriteAheadLog"]

_LOGGER = logging.getLogger("headrace.turns")

BUSY_TIMEOUT: Final = 2.0
"""Seconds to wait for another process's transaction."""

_PAGE: Final = 4096  # bytes
_MIN_SIZE: Final = 16 * _PAGE
_MAX_SIZE: Final = 1024 * _PAGE
_CLOCK_STEP: Final = 20_000_000  # nanoseconds; the time of a file has the resolution of the kernel's ticks
_REPORTED: Final = 8  # times the usual size


class WriteAheadLog:
    """The log beside a database.

    Args:
        path: of the database.
        store_size: the limit of both together; a tenth of it is for the log.
    """

    def __init__(self, path: str, store_size: int) -> None:
        self._path = path
        self._usual = min(max(store_size // 10, _MIN_SIZE), _MAX_SIZE)
        self._is_reported = False
        self._last_seen: object = None
        self._may_change_unseen = True

    def has_changed(self) -> bool:
        """Return whether any process may have written since the previous call; costs a few microseconds."""
        try:
            status = os.stat(f"{self._path}-wal")  # noqa: PTH116 - three times as fast as Path.stat
        except OSError:
            return True
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        has_changed = seen != self._last_seen or self._may_change_unseen
        self._last_seen = seen
        self._may_change_unseen = time.time_ns() - status.st_mtime_ns < _CLOCK_STEP
        return has_changed

    @property
    def excess(self) -> int:
        """The bytes beyond its usual size."""
        with suppress(OSError):
            return max(Path(f"{self._path}-wal").stat().st_size - self._usual, 0)
        return 0

    def begin(self, sql: sqlite3.Connection) -> None:
        """Switch the database to WAL mode; SQLite's busy timeout does not cover this change."""
        deadline = time.monotonic() + BUSY_TIMEOUT
        while True:
            try:
                sql.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        sql.execute(f"PRAGMA wal_autocheckpoint = {self._usual // _PAGE}")
        sql.execute(f"PRAGMA journal_size_limit = {self._usual}")

    def shrink(self, sql: sqlite3.Connection) -> None:
        """Write a long log back to the database and truncate it; if that is impossible, report it once."""
        if self.excess <= self._usual:
            self._is_reported = False
            return
        with suppress(sqlite3.Error):  # the next transaction reports it
            sql.execute("PRAGMA busy_timeout = 0")
            sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sql.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")
        if self.excess > _REPORTED * self._usual and not self._is_reported:
            self._is_reported = True
            message = (
                "another program keeps a read transaction open in the turn store %s: its write-ahead log has"
                " %d bytes, which count towards store_size"
            )
            _LOGGER.warning(message, self._path, self.excess + self._usual)
