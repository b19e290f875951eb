"""A file of turns, by SQL. Blocks, and belongs to one thread.

Every append checks in its own INSERT that its writer still holds the fence, and that it leaves no gap.
"""

import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from headrace.turns.log import ENDINGS, Logged
from headrace.turns.store import (
    Append,
    Behind,
    Cursor,
    Fenced,
    GoneError,
    Outcome,
    StoredTurn,
    StoreError,
    Tail,
    TurnHeader,
    decode_events,
    encode_events,
)

__all__ = ["SqliteFile"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS turn (
    id TEXT PRIMARY KEY,
    header BLOB NOT NULL,
    body BLOB NOT NULL,
    fence INTEGER NOT NULL,
    producer TEXT NOT NULL,
    began REAL NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0,
    gone TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entry (
    turn TEXT NOT NULL,
    position INTEGER NOT NULL, -- of the log after this entry
    written REAL NOT NULL,
    events BLOB NOT NULL,
    PRIMARY KEY (turn, position)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (
    owner TEXT NOT NULL,
    request_id TEXT NOT NULL,
    turn TEXT NOT NULL,
    PRIMARY KEY (owner, request_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reader (turn TEXT PRIMARY KEY, read REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS process (id TEXT PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS turn_by_age ON turn (gone, ended, began);
"""
_APPEND: Final = """
INSERT OR IGNORE INTO entry (turn, position, written, events)
SELECT id, :end, :now, :events FROM turn WHERE id = :id AND fence = :fence AND gone = ''
AND (SELECT coalesce(max(position), 0) FROM entry WHERE entry.turn = turn.id) = :position
"""
_STATE: Final = """
SELECT fence, producer, gone, (SELECT coalesce(max(position), 0) FROM entry WHERE turn = id)
FROM turn WHERE id = ?
"""
_WRITTEN: Final = """
coalesce((SELECT written FROM entry WHERE turn = turn.id ORDER BY position DESC LIMIT 1), began)
"""
_BUSY: Final = 2.0  # seconds to wait for another process to end its transaction
_SWEEP: Final = 30.0  # seconds between two sweeps, at most
_AT_A_TIME: Final = 100  # turns that one transaction evicts: others wait for the file meanwhile

_decode_header: Final = msgspec.json.Decoder(TurnHeader).decode


class SqliteFile:
    """See `headrace.turns.sqlite.SqliteStore`. Every method raises `StoreError` if that cannot be done."""

    def __init__(self, path: Path, *, size: int, retention: float, tombstone_ttl: float) -> None:
        self._path = path
        self._size = size
        self._retention = retention
        self._tombstone_ttl = tombstone_ttl
        self._connection: sqlite3.Connection | None = None
        self._swept = 0.0
        self._asked: Mapping[str, Cursor] = {}
        self._version = -1

    def create(self, header: TurnHeader, body: bytes, process: str, replaces: str) -> str:
        """See `TurnStore.create`."""
        with self._transaction() as sql:
            key = (header.owner, header.request_id)
            if header.request_id:
                found = sql.execute("SELECT turn FROM request WHERE owner = ? AND request_id = ?", key)
                existing = found.fetchone()
                if existing and existing[0] != replaces:
                    return str(existing[0])
                sql.execute("REPLACE INTO request VALUES (?, ?, ?)", (*key, header.id))
            sql.execute(
                "INSERT INTO turn (id, header, body, fence, producer, began) VALUES (?, ?, ?, 1, ?, ?)",
                (header.id, msgspec.json.encode(header), body, process, time.time()),
            )
        return header.id

    def load(self, id: str) -> StoredTurn | None:
        """See `TurnStore.load`."""
        with self._transaction(writes=False) as sql:
            row = sql.execute("SELECT header, body, gone FROM turn WHERE id = ?", (id,)).fetchone()
            if row is None:
                return None
            header, body, gone = row
            tail = Tail([], Cursor(0, 0)) if gone else _tail(sql, id, Cursor(0, 0))
        return StoredTurn(_decode_header(header), body, tail, gone)

    def tail(self, id: str, after: Cursor) -> Tail:
        """What was logged after a cursor, without waiting."""
        with self._transaction(writes=False) as sql:
            return _tail(sql, id, after)

    def news(self, asked: Mapping[str, Cursor]) -> dict[str, Tail]:
        """What was logged after each cursor; a look costs next to nothing if nobody else wrote."""
        with self._transaction(writes=False) as sql:
            (version,) = sql.execute("PRAGMA data_version").fetchone()
            if version == self._version and asked.keys() <= self._asked.keys():
                return {}
            self._version, self._asked = version, asked
            tails = {id: _tail(sql, id, after) for id, after in asked.items() if _is_there(sql, id)}
        return {id: tail for id, tail in tails.items() if tail.cursor != asked[id]}

    def insert(self, batch: Sequence[Append]) -> list[Outcome]:
        """All of them in one transaction."""
        self._asked = {}  # `data_version` does not change by what this connection writes
        with self._transaction() as sql:
            return [_insert(sql, append) for append in batch]

    def take_over(self, id: str, fence: int, process: str) -> bool:
        """See `TurnStore.take_over`."""
        self._asked = {}
        with self._transaction() as sql:
            row = sql.execute(_STATE, (id,)).fetchone()
            _check(id, row)
            if row[0] == fence - 1:
                sql.execute("UPDATE turn SET fence = ?, producer = ? WHERE id = ?", (fence, process, id))
                return True
            return bool(row[0] == fence and row[1] == process)

    def touch_reader(self, id: str) -> None:
        """See `TurnStore.touch_reader`."""
        with self._transaction() as sql:
            sql.execute("REPLACE INTO reader VALUES (?, ?)", (id, time.time()))

    def reader_silence(self, id: str) -> float:
        """Seconds since another process had a reader for the turn."""
        with self._transaction(writes=False) as sql:
            row = sql.execute("SELECT read FROM reader WHERE turn = ?", (id,)).fetchone()
        return math.inf if row is None else time.time() - row[0]

    def beat(self, process: str) -> None:
        """See `TurnStore.beat`."""
        now = time.time()
        with self._transaction() as sql:
            sql.execute("REPLACE INTO process VALUES (?, ?)", (process, now))
            if now - self._swept >= min(_SWEEP, self._retention / 4):
                self._swept = now
                self._sweep(sql, now)

    def silence(self, process: str) -> float | None:
        """Seconds since a process was heard; None if it has left."""
        with self._transaction(writes=False) as sql:
            row = sql.execute("SELECT beat FROM process WHERE id = ?", (process,)).fetchone()
        return None if row is None else time.time() - row[0]

    def close(self, process: str) -> None:
        """The process leaves."""
        with self._transaction() as sql:
            sql.execute("DELETE FROM process WHERE id = ?", (process,))
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def _transaction(self, *, writes: bool = True) -> Iterator[sqlite3.Connection]:
        try:
            sql = self._connection or self._open()
            sql.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield sql
                sql.execute("COMMIT")
            finally:
                if sql.in_transaction:
                    sql.execute("ROLLBACK")
        except sqlite3.Error as error:
            msg = f"the turn store {self._path} cannot be used: {error}"
            raise StoreError(msg) from error

    def _open(self) -> sqlite3.Connection:
        sql = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None)
        try:
            _begin_wal(sql)
            sql.execute("PRAGMA synchronous = NORMAL")
            sql.executescript(_SCHEMA)
        except sqlite3.Error:
            sql.close()
            raise
        self._connection = sql
        return sql

    def _sweep(self, sql: sqlite3.Connection, now: float) -> None:
        """Let go of what is too old, and of the oldest that have ended if there is too much."""
        old = sql.execute(
            f"SELECT id FROM turn WHERE gone = '' AND {_WRITTEN} < ? LIMIT ?",  # noqa: S608
            (now - self._retention, _AT_A_TIME),
        )
        _evict(sql, [id for (id,) in old], "its log was kept as long as the server keeps logs")
        (used,) = sql.execute(
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        ).fetchone()
        if used > self._size:
            ended = sql.execute(
                "SELECT id, length(body) + (SELECT total(length(events)) FROM entry WHERE turn = id)"
                " FROM turn WHERE gone = '' AND ended = 1 ORDER BY began LIMIT ?",
                (_AT_A_TIME,),
            )
            evicted = []
            for id, bytes_of_turn in ended:
                evicted.append(id)
                used -= bytes_of_turn
                if used <= self._size:
                    break
            _evict(sql, evicted, "its log had to make room for newer ones")
        forgotten = now - self._tombstone_ttl
        old_turns = "SELECT id FROM turn WHERE gone != '' AND began < ?"
        sql.execute(f"DELETE FROM request WHERE turn IN ({old_turns})", (forgotten,))  # noqa: S608
        sql.execute(f"DELETE FROM turn WHERE id IN ({old_turns})", (forgotten,))  # noqa: S608
        sql.execute("DELETE FROM reader WHERE read < ?", (forgotten,))
        sql.execute("DELETE FROM process WHERE beat < ?", (forgotten,))


def _begin_wal(sql: sqlite3.Connection) -> None:
    """For this one change SQLite does not wait by itself while another process makes it."""
    deadline = time.monotonic() + _BUSY
    while True:
        try:
            sql.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _insert(sql: sqlite3.Connection, append: Append) -> Outcome:
    values = {
        "id": append.id,
        "fence": append.after.fence,
        "position": append.after.position,
        "end": append.end.position,
        "now": time.time(),
        "events": encode_events(append.events),
    }
    if sql.execute(_APPEND, values).rowcount:
        if type(append.events[-1]) in ENDINGS:
            sql.execute("UPDATE turn SET ended = 1 WHERE id = ?", (append.id,))
        return None
    row = sql.execute(_STATE, (append.id,)).fetchone()
    try:
        _check(append.id, row)
    except GoneError as gone:
        return gone
    fence, _, _, position = row
    if fence != append.after.fence:
        return Fenced()
    return None if position == append.end.position else Behind(position)


def _tail(sql: sqlite3.Connection, id: str, after: Cursor) -> Tail:
    row = sql.execute(_STATE, (id,)).fetchone()
    _check(id, row)
    fence, producer, _, position = row
    entries = sql.execute(
        "SELECT events FROM entry WHERE turn = ? AND position > ? ORDER BY position", (id, after.position)
    )
    events: list[Logged] = [event for (encoded,) in entries for event in decode_events(encoded)]
    return Tail(events, Cursor(fence, position), producer)


def _is_there(sql: sqlite3.Connection, id: str) -> bool:
    return sql.execute("SELECT 1 FROM turn WHERE id = ? AND gone = ''", (id,)).fetchone() is not None


def _check(id: str, row: tuple[int, str, str, int] | None) -> None:
    if row is None:
        raise GoneError(id, "it is not known any more")
    if row[2]:
        raise GoneError(id, row[2])


def _evict(sql: sqlite3.Connection, ids: Sequence[str], reason: str) -> None:
    for id in ids:
        sql.execute("UPDATE turn SET gone = ?, body = x'' WHERE id = ?", (reason, id))
        sql.execute("DELETE FROM entry WHERE turn = ?", (id,))
