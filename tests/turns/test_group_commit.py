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
    """Writes when it is told to; fails as long as it is told to."""

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
    """What becomes of each, as it becomes known."""
    outcomes = {}
    for name in names:
        commit.add(Append(name, Cursor(1, 0), Cursor(1, 1), [Text("a")], partial(outcomes.__setitem__, name)))
    return outcomes


async def test_what_comes_in_one_tick_is_one_write(disk):
    commit = GroupCommit(disk.write, patience=1)
    outcomes = append_to(commit, "a", "b", "c")
    await commit.drain()

    assert disk.batches == [["a", "b", "c"]]
    assert outcomes == {"a": None, "b": None, "c": None}


async def test_what_comes_while_a_write_is_under_way_is_the_next_one(disk):
    commit = GroupCommit(disk.write, patience=1)
    disk.go.clear()
    append_to(commit, "a")
    await asyncio.sleep(0.01)
    append_to(commit, "b", "c")
    await asyncio.sleep(0.01)
    append_to(commit, "d")
    disk.go.set()
    await commit.drain()

    assert disk.batches == [["a"], ["b", "c", "d"]]


async def test_each_append_learns_its_own_outcome():
    async def write(batch):
        return [Fenced() if append.id == "b" else None for append in batch]

    commit = GroupCommit(write, patience=1)
    outcomes = append_to(commit, "a", "b")
    await commit.drain()

    assert outcomes["a"] is None
    assert isinstance(outcomes["b"], Fenced)


async def test_a_write_that_fails_is_tried_again_with_what_has_come_since(disk):
    commit = GroupCommit(disk.write, patience=5)
    disk.failing = True
    outcomes = append_to(commit, "a")
    await asyncio.sleep(0.03)
    append_to(commit, "b")
    await asyncio.sleep(0.1)
    assert outcomes == {}
    disk.failing = False
    await commit.drain()

    assert disk.batches == [["a", "b"]]
    assert outcomes == {"a": None}


async def test_after_its_patience_it_says_what_is_wrong_and_then_asks_only_once_until_it_works_again(disk):
    commit = GroupCommit(disk.write, patience=0.1)
    disk.failing = True
    outcomes = append_to(commit, "a")
    await commit.drain()
    assert outcomes["a"].message == "disk full"
    before = asyncio.get_running_loop().time()
    outcomes = append_to(commit, "b")
    await commit.drain()

    assert isinstance(outcomes["b"], StoreError)
    assert asyncio.get_running_loop().time() - before < 0.001
    disk.failing = False
    outcomes = append_to(commit, "c")
    await commit.drain()
    assert outcomes == {"c": None}


async def test_a_defect_in_a_store_fails_the_appends_and_is_logged(caplog):
    async def write(batch):
        raise ZeroDivisionError

    commit = GroupCommit(write, patience=1)
    outcomes = append_to(commit, "a")
    await commit.drain()

    assert isinstance(outcomes["a"], StoreError)
    assert "ZeroDivisionError" in caplog.text
