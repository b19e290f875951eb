"""The tables of the SQLite store. All times are those of the file's clock."""

from typing import Final

__all__ = ["SCHEMA"]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS clock (offset REAL NOT NULL); -- see sqlite_clock.py
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
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of writing, across turns
    turn TEXT NOT NULL,
    position INTEGER NOT NULL, -- of the log after this entry
    written REAL NOT NULL,
    events BLOB NOT NULL,
    UNIQUE (turn, position)
);
CREATE TABLE IF NOT EXISTS takeover ( -- after the creation
    turn TEXT NOT NULL,
    fence INTEGER NOT NULL,
    position INTEGER NOT NULL,
    process TEXT NOT NULL,
    has_died INTEGER NOT NULL,
    PRIMARY KEY (turn, fence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (
    owner TEXT NOT NULL,
    request_id TEXT NOT NULL,
    turn TEXT NOT NULL,
    PRIMARY KEY (owner, request_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reader (turn TEXT PRIMARY KEY, read REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS process (id TEXT PRIMARY KEY, beat REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS namespace ( -- of headrace.documents
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL -- at least the microseconds of the last write
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS document (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS turn_by_age ON turn (gone, ended, began);
CREATE INDEX IF NOT EXISTS tombstone_by_age ON turn (began) WHERE gone != '';
CREATE INDEX IF NOT EXISTS request_by_turn ON request (turn);
"""
