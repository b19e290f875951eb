"""The limits of the SQLite store: sizes are counted in bytes of the file."""

import sqlite3
from contextlib import closing, suppress

import pytest

from headrace.events import Finish, Text, TokenUsage
from headrace.turns import TurnSettings
from headrace.turns.sqlite_file import SqliteFile
from headrace.turns.store import Append, Cursor, StoreError, TurnHeader

ENDING = Finish("stop", TokenUsage(1, 1))


@pytest.fixture
def open_file(tmp_path):
    opened = []

    def open_one(**limits):
        file = SqliteFile(TurnSettings(store=f"sqlite:{tmp_path / 'turns.db'}", **limits))
        opened.append(file)
        return file

    yield open_one
    for file in opened:
        with suppress(StoreError):  # the test has closed it
            file.close("p")


def write(file, numbers, *, size=2000, ending=ENDING):
    for number in numbers:
        id = f"t{number:06}"
        file.create(TurnHeader(id=id, owner="", created=0, request_id=f"request {id}"), b"body", "p", "")
        events = [Text("x" * size), ending] if ending else [Text("x" * size)]
        file.insert([Append(id, Cursor(1, 0), Cursor(1, len(events)), events, print)])


def size_of(tmp_path):
    return (tmp_path / "turns.db").stat().st_size


def wal_of(tmp_path):
    return (tmp_path / "turns.db-wal").stat().st_size


def test_a_file_and_its_log_stay_within_the_limit_however_fast_it_is_written(open_file, tmp_path):
    file = open_file(store_size=1_000_000)
    largest = 0
    for number in range(400):
        write(file, [number], size=5000)
        largest = max(largest, size_of(tmp_path) + wal_of(tmp_path))

    assert largest <= 1_200_000
    assert "room" in file.load("t000000").evicted
    assert not file.load("t000399").evicted


def test_a_log_that_a_foreign_reader_lets_grow_counts_and_is_reported_once_and_shrinks(
    open_file, tmp_path, caplog
):
    file = open_file(store_size=1_000_000)
    write(file, range(100), size=5000)
    with closing(sqlite3.connect(tmp_path / "turns.db", isolation_level=None)) as backup:
        backup.execute("BEGIN")
        backup.execute("SELECT count(*) FROM turn").fetchone()
        for number in range(100, 250):
            write(file, [number], size=5000)
            if number % 20 == 0:
                file.evict()
        grown = wal_of(tmp_path)
    kept = [number for number in range(250) if not file.load(f"t{number:06}").evicted]
    file.evict()

    assert grown > 1_000_000
    assert len(kept) <= 1  # all but the one that ended last
    assert len([record for record in caplog.records if "read transaction" in record.message]) == 1
    assert wal_of(tmp_path) <= 100_000
    write(file, range(250, 300))
    assert not file.load("t000250").evicted


def test_tombstones_are_limited_as_well(open_file):
    file = open_file(store_size=100_000)
    write(file, range(600))
    while file.evict():
        pass
    kept = [number for number in range(600) if file.load(f"t{number:06}")]

    assert len(kept) <= 100_000 // 2048 + 100_000 // 2000
    assert kept == list(range(kept[0], 600))


def test_a_file_that_was_larger_shrinks_to_its_limit(open_file, tmp_path):
    first = open_file()
    write(first, range(1000))
    before = size_of(tmp_path)
    file = open_file(store_size=500_000)
    while file.evict():
        pass
    for one in (first, file):
        one.close("p")  # the last connection writes the log of SQLite back to the file

    assert before > 2_000_000
    assert size_of(tmp_path) <= 500_000


def test_an_eviction_is_limited_so_that_other_processes_need_not_wait(open_file):
    write(open_file(), range(1000), size=100)
    file = open_file(store_size=10_000)
    evictions = 1
    while file.evict():
        evictions += 1

    assert evictions >= 5


def test_unfinished_turns_are_not_evicted_for_room(open_file):
    file = open_file(store_size=10_000)
    write(file, range(100), ending=None)
    file.evict()

    assert not any(file.load(f"t{number:06}").evicted for number in range(100))
