"""The clock of a SQLite file: seconds that every process on the machine counts alike, and that never step.

The machine's monotonic clock is such a clock, but it begins anew when the machine starts. Its offset is
therefore kept in the file, and renewed by the wall clock when the time would be earlier than that of the last
heartbeat or the last document.
"""

import sqlite3
import time
from typing import Final

__all__ = ["SqliteClock"]

_LAST: Final = """
SELECT coalesce(max(time), 0)
FROM (SELECT max(beat) AS time FROM process UNION ALL SELECT max(version) / 1e6 FROM namespace)
"""


class SqliteClock:
    """The clock of the file that is open."""

    def __init__(self) -> None:
        self._offset = 0.0

    def now(self) -> float:
        """Return the time in seconds since the epoch, as of when the file was created."""
        return time.monotonic() + self._offset

    def synchronize(self, sql: sqlite3.Connection) -> None:
        """Read the offset, or set it; within a transaction that writes."""
        (last,) = sql.execute(_LAST).fetchone()
        row = sql.execute("SELECT offset FROM clock").fetchone()
        self._offset = row[0] if row else 0.0
        if row is None or self.now() < last:
            self._offset = max(time.time(), last) - time.monotonic()
            sql.execute("DELETE FROM clock")
            sql.execute("INSERT INTO clock VALUES (?)", (self._offset,))
