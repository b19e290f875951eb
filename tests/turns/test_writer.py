"""Save before publish: no reader receives an event that is not saved, unless the store has failed."""

import asyncio

import pytest

from headrace.events import Finish, Progress, Text
from headrace.turns import MemoryLog
from headrace.turns.store import Behind, Cursor, Fenced, GoneError, StoreError
from headrace.turns.writer import Writer
from virtual_time import virtual_time

__all__ = ["virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")


class PendingStore:
    """A store that completes an append when the test calls `complete`."""

    outlives_process = True

    def __init__(self):
        self.appends = []

    def append(self, append):
        self.appends.append(append)

    def complete(self, result=None):
        self.appends.pop(0).done(result)


@pytest.fixture
async def parts():
    store, log, calls = PendingStore(), MemoryLog(), []
    writer = Writer(
        store,
        "t1",
        1,
        log,
        on_fenced=lambda: calls.append("fenced"),
        on_failure=lambda error: calls.append(error.message),
        on_settled=lambda: calls.append("settled"),
        retry_delay=0.01,
    )
    yield writer, store, log, calls
    await writer.close(0)


async def test_an_event_is_published_when_it_is_saved_and_not_before(parts):
    writer, store, log, _ = parts
    writer.write([Text("a")])
    assert (log.published, log.events) == (0, [Text("a")])
    store.complete()

    assert log.published == 1
    assert store.appends == []


async def test_a_check_of_the_fence_saves_nothing_and_events_written_meanwhile_follow(parts):
    writer, store, log, calls = parts
    writer.check_fence()
    writer.check_fence()
    writer.write([Text("a")])
    assert [append.events for append in store.appends] == [[]]
    store.complete()
    assert [append.events for append in store.appends] == [[Text("a")]]
    store.complete()
    writer.check_fence()
    assert store.appends == []  # the save succeeded, so the fence holds
    writer.check_fence()
    store.complete(Fenced())

    assert (log.published, calls) == (1, ["fenced"])


async def test_events_written_during_a_save_are_saved_together(parts):
    writer, store, log, _ = parts
    writer.write([Text("a")])
    for text in "bcd":
        writer.write([Text(text)])
    assert len(store.appends) == 1
    store.complete()
    append = store.appends[0]

    assert (append.after, append.end, append.events) == (
        Cursor(1, 1),
        Cursor(1, 4),
        [Text("b"), Text("c"), Text("d")],
    )
    assert log.published == 1


async def test_the_prompt_length_is_saved_with_the_first_event(parts):
    writer, store, _, _ = parts
    writer.write([Progress(3, 7)])
    assert store.appends == []
    writer.write([Progress(7, 7), Text("a")])
    append = store.appends[0]

    assert (append.end, append.events) == (Cursor(1, 1), [Progress(7, 7), Text("a")])


async def test_events_that_the_store_lost_are_saved_again(parts):
    writer, store, log, _ = parts
    for text in "abc":
        writer.write([Text(text)])
        store.complete()
    writer.write([Text("d")])
    store.complete(Behind(1))
    append = store.appends[0]

    assert (append.after, append.events) == (Cursor(1, 1), [Text("b"), Text("c"), Text("d")])
    assert log.published == 3
    store.complete()
    assert (log.published, writer.cursor) == (4, Cursor(1, 4))


async def test_an_end_that_the_store_has_lost_in_a_restart_is_saved_again(parts):
    writer, store, log, calls = parts
    writer.write([Text("a"), Finish("stop")])
    store.complete()
    writer.check_end()
    await asyncio.sleep(3.1)
    store.complete(StoreError("down"))
    await asyncio.sleep(0.02)
    store.complete(Behind(1))
    append = store.appends[0]
    store.complete()
    await asyncio.sleep(60)

    assert (append.after, append.events) == (Cursor(1, 1), [Finish("stop")])
    assert (store.appends, calls, log.published) == ([], [], 2)


@pytest.mark.parametrize("result", [Fenced(), GoneError("t1", "evicted"), None])
async def test_a_check_of_the_end_is_the_last_one(parts, result):
    writer, store, _log, calls = parts
    writer.write([Text("a"), Finish("stop")])
    store.complete()
    writer.check_end()
    await asyncio.sleep(3.1)
    assert [append.events for append in store.appends] == [[]]
    store.complete(result)
    await asyncio.sleep(60)

    assert (store.appends, calls) == ([], [])


async def test_a_fenced_writer_calls_on_fenced(parts):
    writer, store, log, calls = parts
    writer.write([Text("a")])
    store.complete(Fenced())

    assert (calls, log.published) == (["fenced"], 0)


async def test_after_a_store_failure_events_are_published_at_once_and_saved_later(parts):
    writer, store, log, calls = parts
    writer.write([Text("a")])
    writer.write([Text("b")])
    store.complete(StoreError("disk full"))
    assert (log.published, log.is_saved, calls) == (2, False, ["disk full"])
    writer.write([Text("c")])
    assert (log.published, store.appends) == (3, [])
    await asyncio.sleep(0.03)
    store.complete(StoreError("disk full"))  # again
    await asyncio.sleep(0.03)
    writer.write([Finish("stop")])
    store.complete()
    store.complete()

    assert (log.published, log.is_saved, calls) == (4, True, ["disk full", "settled"])
    assert writer.cursor == Cursor(1, 4)


async def test_an_evicted_log_is_no_longer_saved(parts):
    writer, store, log, calls = parts
    writer.write([Text("a")])
    store.complete(GoneError("t1", "evicted"))
    writer.write([Text("b")])

    assert (log.published, log.is_saved, store.appends) == (2, False, [])
    assert "evicted" in calls[0]


async def test_closing_waits_for_the_save_in_flight(parts):
    writer, store, _, _ = parts
    writer.write([Text("a")])
    closing = asyncio.create_task(writer.close(5))
    await asyncio.sleep(0.01)
    assert not closing.done()
    store.complete()
    await closing
    writer.write([Text("b")])

    assert store.appends == []
