"""The SQL of the SQLite store. Blocking; used by one thread.

Each append checks in its own INSERT that the writer still holds the fence, and that it leaves no gap.
"""

import math
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from headrace.turns.entries import ENDINGS, Logged, decode_events, encode_events
from headrace.turns.log_poller import Found
from headrace.turns.settings import TurnSettings
from headrace.turns.sqlite_connection import SqliteConnection
from headrace.turns.store import (
    DELETED,
    NO_ROOM,
    RETENTION_OVER,
    UNKNOWN,
    Append,
    AppendResult,
    Behind,
    Cursor,
    Fenced,
    GoneError,
    StoredTurn,
    Tail,
    TurnHeader,
    decode_header,
    decode_turn,
    decoding,
)
from headrace.turns.takeover import Takeover

__all__ = ["SqliteFile"]

_APPEND: Final = """
INSERT OR IGNORE INTO entry (turn, position, written, events)
SELECT id, :end, :now, :events FROM turn WHERE id = :id AND fence = :fence AND gone = ''
AND (SELECT coalesce(max(position), 0) FROM entry WHERE entry.turn = turn.id) = :position
"""
_TAKEOVERS: Final = "SELECT fence, position, process, has_died FROM takeover WHERE turn = ? AND fence > ?"
_HEARTBEAT: Final = "REPLACE INTO process VALUES (?, ?)"
_UNFINISHED: Final = "SELECT header FROM turn WHERE gone = '' AND ended = 0"
_ALIVE: Final = "SELECT 1 FROM process WHERE process.id = turn.producer AND beat > ?"
_STRANDED: Final = f"{_UNFINISHED} AND NOT EXISTS ({_ALIVE})"
_STATE: Final = """
SELECT fence, producer, gone, (SELECT coalesce(max(position), 0) FROM entry WHERE turn = id)
FROM turn WHERE id = ?
"""
_LAST_NUMBER: Final = "SELECT coalesce(max(number), 0) FROM entry"
_WRITTEN_SINCE: Final = "SELECT DISTINCT turn FROM entry WHERE number > ?"
_WRITTEN: Final = """
coalesce((SELECT written FROM entry WHERE turn = turn.id ORDER BY position DESC LIMIT 1), began)
"""
_EXPIRED: Final = f"SELECT id FROM turn WHERE gone = '' AND {_WRITTEN} < ? LIMIT ?"  # noqa: S608
_OLDEST_ENDED: Final = """
SELECT id, length(body) + (SELECT total(length(events)) FROM entry WHERE turn = id)
FROM turn WHERE gone = '' AND ended = 1 ORDER BY began LIMIT ?
"""
_OLD_TOMBSTONES: Final = "SELECT id, began FROM turn WHERE gone != '' ORDER BY began LIMIT ?"
_PAGES: Final = """
SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size
"""
_EVICTION_INTERVAL: Final = 30.0  # seconds, at most
_MAX_EVICTED: Final = 200  # turns per transaction: other processes wait for the file meanwhile
_TOMBSTONE_SHARE: Final = 2048  # bytes of the file's limit for each tombstone, which takes some 300


class SqliteFile:
    """The file of a `SqliteStore`. Every method raises `StoreError` if the file cannot be used."""

    def __init__(self, settings: TurnSettings) -> None:
        self._size = settings.store_size
        self._retention = settings.retention
        self._tombstone_ttl = settings.tombstone_ttl
        self._process = ""  # that sends heartbeats
        self._last_eviction = 0.0
        self._last_number: int | None = None  # of the entries that were polled
        self._file = SqliteConnection(settings, self._opened)

    def create(self, header: TurnHeader, body: bytes, process: str, replaces: str) -> str:
        with self._file.transaction() as sql:
            key = (header.owner, header.request_id)
            if header.request_id:
                existing = _find(sql, *key)
                if existing and existing != replaces:
                    return existing
                sql.execute("REPLACE INTO request VALUES (?, ?, ?)", (*key, header.id))
            sql.execute(
                "INSERT INTO turn (id, header, body, fence, producer, began) VALUES (?, ?, ?, 1, ?, ?)",
                (header.id, msgspec.json.encode(header), body, process, self._file.clock.now()),
            )
        return header.id

    def find(self, owner: str, request_id: str) -> str | None:
        """Return the id of the owner's turn with this `request_id`, if there is one."""
        with self._file.transaction(writes=False) as sql:
            return _find(sql, owner, request_id)

    def load(self, id: str) -> StoredTurn | None:
        with self._file.transaction(writes=False) as sql:
            row = sql.execute("SELECT header, body, gone FROM turn WHERE id = ?", (id,)).fetchone()
            if row is None:
                return None
            header, body, evicted = row
            return decode_turn(id, header, evicted, lambda: (body, _tail(sql, id, Cursor(0, 0))))

    def tail(self, id: str, after: Cursor) -> Tail:
        """Return the log after a cursor, without waiting."""
        with self._file.transaction(writes=False) as sql:
            return _tail(sql, id, after)

    def poll(self, new: Mapping[str, Cursor], logs: Mapping[str, Cursor]) -> list[Found]:
        """Read the logs in `new`, and of all `logs` those that have grown since the previous call."""
        with self._file.transaction(writes=False) as sql:
            previous, (self._last_number,) = self._last_number, sql.execute(_LAST_NUMBER).fetchone()
            if previous is None:
                new = logs
            elif len(new) < len(logs):
                grown = (id for (id,) in sql.execute(_WRITTEN_SINCE, (previous,)) if id in logs)
                new = {**new, **{id: logs[id] for id in grown}}
            found = [Found(id, after, _tail_or_error(sql, id, after)) for id, after in new.items()]
        return [each for each in found if not isinstance(each.tail, Tail) or each.tail.cursor != each.after]

    def has_changed(self) -> bool:
        """Return whether any process may have written since the previous call. Does not block."""
        return self._file.has_changed()

    def insert(self, batch: Sequence[Append]) -> list[AppendResult]:
        """Insert a batch in one transaction; evict finished turns if the file becomes too large."""
        with self._file.transaction() as sql:
            now = self._file.clock.now()
            results = [_insert(sql, append, now) for append in batch]
            _make_room(sql, self._size - self._file.excess)
            return results

    def take_over(self, id: str, fence: int, process: str, *, has_died: bool) -> bool:
        with self._file.transaction() as sql:
            current, producer, position = _state(sql, id)
            if current == fence - 1:
                sql.execute("UPDATE turn SET fence = ?, producer = ? WHERE id = ?", (fence, process, id))
                takeover = (id, fence, position, process, has_died)
                sql.execute("INSERT INTO takeover VALUES (?, ?, ?, ?, ?)", takeover)
                return True
            return current == fence and producer == process

    def touch_readers(self, ids: Collection[str]) -> None:
        with self._file.transaction() as sql:
            now = self._file.clock.now()
            sql.executemany("REPLACE INTO reader VALUES (?, ?)", [(id, now) for id in ids])

    def reader_age(self, id: str) -> float:
        """Return the seconds since another process had a reader for the turn."""
        with self._file.transaction(writes=False) as sql:
            row = sql.execute("SELECT read FROM reader WHERE turn = ?", (id,)).fetchone()
        return math.inf if row is None else self._file.clock.now() - row[0]

    def heartbeat(self, process: str) -> None:
        self._process = process
        with self._file.transaction() as sql:
            sql.execute(_HEARTBEAT, (process, self._file.clock.now()))

    def evict(self) -> bool:
        """Evict logs that are too old or too many, and forget tombstones; return whether some are left."""
        now = self._file.clock.now()
        is_due = now - self._last_eviction >= min(_EVICTION_INTERVAL, self._retention / 4)
        with self._file.transaction() as sql:
            old = _expired(sql, now - self._retention) if is_due else []
            _evict(sql, old, RETENTION_OVER)
            forgotten = _forget(sql, now - self._tombstone_ttl, self._size // _TOMBSTONE_SHARE)
            evicted = _make_room(sql, self._size - self._file.excess)
        if is_due and len(old) < _MAX_EVICTED:
            self._last_eviction = now
        self._file.shrink_log()
        return max(len(old), evicted, forgotten) >= _MAX_EVICTED

    def delete(self, id: str) -> None:
        with self._file.transaction() as sql:
            _evict(sql, [id], DELETED)

    def heartbeat_age(self, process: str) -> float | None:
        """Return the seconds since a process's last heartbeat; None if it has shut down."""
        with self._file.transaction(writes=False) as sql:
            row = sql.execute("SELECT beat FROM process WHERE id = ?", (process,)).fetchone()
        return None if row is None else self._file.clock.now() - row[0]

    def unfinished(self) -> list[TurnHeader]:
        """Return the headers of the unfinished turns."""
        return self._headers(_UNFINISHED)

    def stranded(self, lease: float) -> list[TurnHeader]:
        """Return the headers of the unfinished detached turns whose producer is not alive."""
        headers = self._headers(_STRANDED, self._file.clock.now() - lease)
        return [header for header in headers if header.detached]

    def _headers(self, query: str, *arguments: float) -> list[TurnHeader]:
        with self._file.transaction(writes=False) as sql:
            rows = sql.execute(query, arguments).fetchall()
        headers = []
        for (encoded,) in rows:
            with suppress(ValueError):
                headers.append(decode_header(encoded))
        return headers

    def close(self, process: str) -> None:
        """Record that the process leaves, and close the file."""
        with self._file.transaction() as sql:
            sql.execute("DELETE FROM process WHERE id = ?", (process,))
        self._file.close()

    def _opened(self, sql: sqlite3.Connection) -> None:
        self._last_number = None
        if self._process:
            sql.execute(_HEARTBEAT, (self._process, self._file.clock.now()))


def _insert(sql: sqlite3.Connection, append: Append, now: float) -> AppendResult:
    values = {
        "id": append.id,
        "fence": append.after.fence,
        "position": append.after.position,
        "end": append.end.position,
        "now": now,
        "events": encode_events(append.events),
    }
    if sql.execute(_APPEND, values).rowcount:
        if type(append.events[-1]) in ENDINGS:
            sql.execute("UPDATE turn SET ended = 1 WHERE id = ?", (append.id,))
        return None
    try:
        fence, _, position = _state(sql, append.id)
    except GoneError as gone:
        return gone
    if fence != append.after.fence:
        return Fenced()
    return None if position == append.end.position else Behind(position)


def _find(sql: sqlite3.Connection, owner: str, request_id: str) -> str | None:
    found = sql.execute("SELECT turn FROM request WHERE owner = ? AND request_id = ?", (owner, request_id))
    row = found.fetchone()
    return str(row[0]) if row else None


def _tail(sql: sqlite3.Connection, id: str, after: Cursor) -> Tail:
    fence, producer, position = _state(sql, id)
    if Cursor(fence, position) <= after:  # it may even be shorter: the file has lost something
        return Tail([], after)
    entries = sql.execute(
        "SELECT events FROM entry WHERE turn = ? AND position > ? ORDER BY position", (id, after.position)
    )
    with decoding(id):
        events: list[Logged] = [event for (encoded,) in entries for event in decode_events(encoded)]
        takeovers = [Takeover(1, 0, producer if fence == 1 else "")] if after.fence < 1 else []
        rows = sql.execute(_TAKEOVERS, (id, after.fence)).fetchall()
        later = msgspec.convert(rows, list[tuple[int, int, str, bool]], strict=False)
        takeovers += [Takeover(*values) for values in later]
    return Tail(events, Cursor(fence, position), takeovers)


def _tail_or_error(sql: sqlite3.Connection, id: str, after: Cursor) -> Tail | GoneError:
    try:
        return _tail(sql, id, after)
    except GoneError as error:
        return error


def _state(sql: sqlite3.Connection, id: str) -> tuple[int, str, int]:
    """Return the fence, the producer and the number of events of a turn."""
    row = sql.execute(_STATE, (id,)).fetchone()
    if row is None:
        raise GoneError(id, UNKNOWN)
    with decoding(id):
        fence, producer, gone, position = msgspec.convert(row, tuple[int, str, str, int])
    if gone:
        raise GoneError(id, gone)
    return fence, producer, position


def _make_room(sql: sqlite3.Connection, size: int) -> int:
    """Evict the oldest finished turns if more than `size` bytes are used; else return pages to the system.

    Returns how many turns or pages.
    """
    pages, free, page = sql.execute(_PAGES).fetchone()
    excess = (pages - free) * page - size
    if excess <= 0:
        unneeded: int = min(pages - size // page, _MAX_EVICTED)  # the file was larger, or its limit was
        for _ in range(unneeded):
            sql.execute("PRAGMA incremental_vacuum(1)")
        return max(unneeded, 0)
    ids = []
    for id, bytes_of_turn in sql.execute(_OLDEST_ENDED, (_MAX_EVICTED,)):
        ids.append(id)
        excess -= bytes_of_turn
        if excess <= 0:
            break
    _evict(sql, ids, NO_ROOM)
    return len(ids)


def _expired(sql: sqlite3.Connection, oldest: float) -> list[str]:
    """Return turns that were last written before `oldest`."""
    return [id for (id,) in sql.execute(_EXPIRED, (oldest, _MAX_EVICTED))]


def _evict(sql: sqlite3.Connection, ids: Sequence[str], reason: str) -> None:
    sql.executemany("UPDATE turn SET gone = ?, body = x'' WHERE id = ?", [(reason, id) for id in ids])
    for table in ("entry", "takeover"):
        sql.executemany(f"DELETE FROM {table} WHERE turn = ?", [(id,) for id in ids])  # noqa: S608


def _forget(sql: sqlite3.Connection, oldest: float, most: int) -> int:
    """Delete tombstones from before `oldest`, and those beyond the newest `most`; return how many."""
    (number,) = sql.execute("SELECT count(*) FROM turn WHERE gone != ''").fetchone()
    found = sql.execute(_OLD_TOMBSTONES, (_MAX_EVICTED,)).fetchall()
    ids = [(id,) for at, (id, began) in enumerate(found) if began < oldest or number - at > most]
    sql.executemany("DELETE FROM request WHERE turn = ?", ids)
    sql.executemany("DELETE FROM turn WHERE id = ?", ids)
    sql.execute("DELETE FROM reader WHERE read < ?", (oldest,))
    sql.execute("DELETE FROM process WHERE beat < ?", (oldest,))
    return len(ids)
