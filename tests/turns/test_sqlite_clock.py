"""Heartbeats and ages in a SQLite file, while the wall clock is set."""

import time

import pytest

from headrace.turns.sqlite_file import SqliteFile
from headrace.turns.store import RETENTION_OVER, TurnHeader
from turn_stores import settings

LEASE = 2.0


class Time:
    """The wall clock and the monotonic clock, both set by hand."""

    def __init__(self, monkeypatch):
        self.wall, self.monotonic = 1e9, 1e3
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)

    def advance(self, seconds):
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def clocks(monkeypatch):
    return Time(monkeypatch)


@pytest.fixture
def files(tmp_path):
    store = settings(store=f"sqlite:{tmp_path}/turns.db", lease=LEASE)
    producer, reader = SqliteFile(store), SqliteFile(store)
    yield producer, reader
    producer.close("p")
    reader.close("r")


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("jump", [-1.0, -3600.0, -1e8])
def test_a_dead_process_expires_after_a_lease_though_the_clock_is_set_back(clocks, files, jump, known):
    producer, reader = files
    producer.heartbeat("p")
    if known:
        assert reader.heartbeat_age("p") == 0
    clocks.wall += jump

    assert reader.heartbeat_age("p") == 0
    clocks.advance(LEASE)
    assert reader.heartbeat_age("p") == LEASE


@pytest.mark.parametrize("jump", [-3600.0, -1.0, 1.0, 3600.0])
def test_a_living_process_stays_alive_though_the_clock_is_set(clocks, files, jump):
    producer, reader = files
    for step in range(9):
        producer.heartbeat("p")
        if step == 4:
            clocks.wall += jump
        clocks.advance(LEASE / 3)
        assert reader.heartbeat_age("p") < LEASE


def test_a_process_that_died_before_it_was_seen_is_as_old_as_its_heartbeat(clocks, files):
    producer, reader = files
    producer.heartbeat("p")
    clocks.advance(60)

    assert reader.heartbeat_age("p") == 60


def test_a_process_that_has_shut_down_has_no_age(clocks, files, tmp_path):
    _, reader = files
    other = SqliteFile(settings(store=f"sqlite:{tmp_path}/turns.db", lease=LEASE))
    other.heartbeat("o")
    assert reader.heartbeat_age("o") == 0
    other.close("o")

    assert reader.heartbeat_age("o") is None


@pytest.mark.parametrize("jump", [-600.0, 7200.0, 1e8])
def test_a_log_is_kept_for_its_retention_time_though_the_clock_is_set(clocks, files, jump):
    producer, reader = files
    producer.create(TurnHeader(id="t1", owner="", created=0), b"body", "p", "")
    clocks.wall += jump
    while reader.evict():
        pass
    assert not reader.load("t1").evicted
    clocks.advance(3601)
    while reader.evict():
        pass
    assert reader.load("t1").evicted == RETENTION_OVER


@pytest.mark.parametrize("jump", [-600.0, 7200.0])
def test_the_age_of_a_reader_does_not_depend_on_the_wall_clock(clocks, files, jump):
    producer, reader = files
    producer.create(TurnHeader(id="t1", owner="", created=0), b"body", "p", "")
    reader.touch_readers(["t1"])
    clocks.wall += jump
    clocks.advance(5)

    assert producer.reader_age("t1") == 5


@pytest.mark.parametrize("away", [10.0, 86400.0])
def test_after_a_restart_of_the_machine_ages_go_on(clocks, files, tmp_path, away):
    """The monotonic clock begins anew."""
    producer, _ = files
    producer.heartbeat("p")
    clocks.wall += away
    clocks.monotonic = 3.0
    restarted = SqliteFile(settings(store=f"sqlite:{tmp_path}/turns.db", lease=LEASE))

    assert restarted.heartbeat_age("p") == away
    clocks.advance(1)
    assert restarted.heartbeat_age("p") == away + 1
