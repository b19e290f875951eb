"""Append before send: nothing can be read that is not saved, unless the store has failed for good."""

import asyncio

import pytest

from headrace.events import Finish, Progress, Text
from headrace.turns import MemoryLog
from headrace.turns.store import Behind, Cursor, Fenced, GoneError, StoreError
from headrace.turns.writer import Writer
from virtual_time import virtual_time

__all__ = ["virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")


class Pending:
    """A store that answers when the test does."""

    def __init__(self):
        self.appends = []

    def append(self, append):
        self.appends.append(append)

    def answer(self, outcome=None):
        self.appends.pop(0).done(outcome)


@pytest.fixture
async def parts():
    store, log, told = Pending(), MemoryLog(), []
    writer = Writer(
        store,
        "t1",
        1,
        log,
        on_fenced=lambda: told.append("fenced"),
        on_failure=lambda error: told.append(error.message),
        on_settled=lambda: told.append("settled"),
        retry=0.01,
    )
    yield writer, store, log, told
    await writer.close(0)


async def test_what_is_said_can_be_read_when_it_is_saved_and_not_before(parts):
    writer, store, log, _ = parts
    writer.write([Text("a")])
    assert (log.shown, log.events) == (0, [Text("a")])
    store.answer()

    assert log.shown == 1
    assert store.appends == []


async def test_a_check_of_the_fence_saves_nothing_and_what_is_said_meanwhile_follows(parts):
    writer, store, log, told = parts
    writer.check_fence()
    writer.check_fence()
    writer.write([Text("a")])
    assert [append.events for append in store.appends] == [[]]
    store.answer()
    assert [append.events for append in store.appends] == [[Text("a")]]
    store.answer()
    writer.check_fence()
    assert store.appends == []  # what was saved came through, so the fence holds
    writer.check_fence()
    store.answer(Fenced())

    assert (log.shown, told) == (1, ["fenced"])


async def test_what_is_said_while_a_save_is_under_way_leaves_together(parts):
    writer, store, log, _ = parts
    writer.write([Text("a")])
    for text in "bcd":
        writer.write([Text(text)])
    assert len(store.appends) == 1
    store.answer()
    append = store.appends[0]

    assert (append.after, append.end, append.events) == (
        Cursor(1, 1),
        Cursor(1, 4),
        [Text("b"), Text("c"), Text("d")],
    )
    assert log.shown == 1


async def test_the_length_of_the_prompt_is_saved_with_the_first_words(parts):
    writer, store, _, _ = parts
    writer.write([Progress(3, 7)])
    assert store.appends == []
    writer.write([Progress(7, 7), Text("a")])
    append = store.appends[0]

    assert (append.end, append.events) == (Cursor(1, 1), [Progress(7, 7), Text("a")])


async def test_what_the_store_lost_is_saved_again(parts):
    writer, store, log, _ = parts
    for text in "abc":
        writer.write([Text(text)])
        store.answer()
    writer.write([Text("d")])
    store.answer(Behind(1))
    append = store.appends[0]

    assert (append.after, append.events) == (Cursor(1, 1), [Text("b"), Text("c"), Text("d")])
    assert log.shown == 3
    store.answer()
    assert (log.shown, writer.cursor) == (4, Cursor(1, 4))


async def test_who_is_fenced_is_told(parts):
    writer, store, log, told = parts
    writer.write([Text("a")])
    store.answer(Fenced())

    assert (told, log.shown) == (["fenced"], 0)


async def test_a_store_that_fails_holds_nothing_back_and_gets_everything_later(parts):
    writer, store, log, told = parts
    writer.write([Text("a")])
    writer.write([Text("b")])
    store.answer(StoreError("disk full"))
    assert (log.shown, log.is_saved, told) == (2, False, ["disk full"])
    writer.write([Text("c")])
    assert (log.shown, store.appends) == (3, [])
    await asyncio.sleep(0.03)
    store.answer(StoreError("disk full"))  # again
    await asyncio.sleep(0.03)
    writer.write([Finish("stop")])
    store.answer()
    store.answer()

    assert (log.shown, log.is_saved, told) == (4, True, ["disk full", "settled"])
    assert writer.cursor == Cursor(1, 4)


async def test_a_log_that_is_gone_is_not_saved_any_more(parts):
    writer, store, log, told = parts
    writer.write([Text("a")])
    store.answer(GoneError("t1", "evicted"))
    writer.write([Text("b")])

    assert (log.shown, log.is_saved, store.appends) == (2, False, [])
    assert "evicted" in told[0]


async def test_closing_waits_for_what_is_under_way_but_not_for_ever(parts):
    writer, store, _, _ = parts
    writer.write([Text("a")])
    closing = asyncio.create_task(writer.close(5))
    await asyncio.sleep(0.01)
    assert not closing.done()
    store.answer()
    await closing
    writer.write([Text("b")])

    assert store.appends == []
