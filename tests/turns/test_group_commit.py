import asyncio
from functools import partial

import pytest

from headrace.events import Text
from headrace.turns.group_commit import GroupCommit
from headrace.turns.store import Append, Cursor, Fenced, StoreError
from virtual_time import virtual_time

__all__ = ["virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")


class Disk:
    """A disk whose writes wait for `go`, and fail while `failing`."""

    def __init__(self):
        self.batches = []
        self.failing = False
        self.go = asyncio.Event()
        self.go.set()

    async def write(self, batch):
        await self.go.wait()
        if self.failing:
            raise StoreError("disk full")
        self.batches.append([append.id for append in batch])
        return [None] * len(batch)


@pytest.fixture
def disk():
    return Disk()


def append_to(commit, *names):
    """Add appends; return their results, as they arrive."""
    results = {}
    for name in names:
        commit.add(Append(name, Cursor(1, 0), Cursor(1, 1), [Text("a")], partial(results.__setitem__, name)))
    return results


async def test_appends_of_one_tick_are_one_write(disk):
    commit = GroupCommit(disk.write, retry_timeout=1)
    results = append_to(commit, "a", "b", "c")
    await commit.drain()

    assert disk.batches == [["a", "b", "c"]]
    assert results == {"a": None, "b": None, "c": None}


async def test_appends_during_a_write_are_the_next_write(disk):
    commit = GroupCommit(disk.write, retry_timeout=1)
    disk.go.clear()
    append_to(commit, "a")
    await asyncio.sleep(0.01)
    append_to(commit, "b", "c")
    await asyncio.sleep(0.01)
    append_to(commit, "d")
    disk.go.set()
    await commit.drain()

    assert disk.batches == [["a"], ["b", "c", "d"]]


async def test_each_append_receives_its_own_result():
    async def write(batch):
        return [Fenced() if append.id == "b" else None for append in batch]

    commit = GroupCommit(write, retry_timeout=1)
    results = append_to(commit, "a", "b")
    await commit.drain()

    assert results["a"] is None
    assert isinstance(results["b"], Fenced)


async def test_a_failed_write_is_retried_with_the_appends_added_since(disk):
    commit = GroupCommit(disk.write, retry_timeout=5)
    disk.failing = True
    results = append_to(commit, "a")
    await asyncio.sleep(0.03)
    append_to(commit, "b")
    await asyncio.sleep(0.1)
    assert results == {}
    disk.failing = False
    await commit.drain()

    assert disk.batches == [["a", "b"]]
    assert results == {"a": None}


async def test_after_the_retry_timeout_appends_fail_at_once_until_a_write_succeeds(disk):
    commit = GroupCommit(disk.write, retry_timeout=0.1)
    disk.failing = True
    results = append_to(commit, "a")
    await commit.drain()
    assert results["a"].message == "disk full"
    before = asyncio.get_running_loop().time()
    results = append_to(commit, "b")
    await commit.drain()

    assert isinstance(results["b"], StoreError)
    assert asyncio.get_running_loop().time() - before < 0.001
    disk.failing = False
    results = append_to(commit, "c")
    await commit.drain()
    assert results == {"c": None}


async def test_an_unexpected_error_fails_the_appends_and_is_logged(caplog):
    async def write(batch):
        raise ZeroDivisionError

    commit = GroupCommit(write, retry_timeout=1)
    results = append_to(commit, "a")
    await commit.drain()

    assert isinstance(results["a"], StoreError)
    assert "ZeroDivisionError" in caplog.text
