"""What holds for every store. `open_stores()` twice gives the stores of two processes over the same turns."""

import asyncio
import time

import pytest

from headrace.events import (
    Content,
    Finish,
    Progress,
    Reasoning,
    Text,
    TokenUsage,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)
from headrace.turns.log import Failure
from headrace.turns.store import Behind, Cursor, Fenced, GoneError, Life
from turn_stores import append, header

EVERY_KIND = [
    Text("<think>北京\u2028\x00🦜", 3),
    Reasoning("r"),
    Content("c"),
    ToolCallStart(0, "get_weather", "call_1"),
    ToolCallArguments(0, '{"a":1}'),
    ToolCallEnd(0),
    Finish("stop", TokenUsage(1, 2, 3, 4), "why"),
]


async def texts(store, id):
    return [event.text for event in (await store.load(id)).tail.events if isinstance(event, Text)]


async def test_a_new_turn_is_there_with_its_request_and_an_empty_log(open_stores):
    store = open_stores()
    await store.create(header(request_id="r1", detached=True), b'{"a": "\xff"}')
    stored = await open_stores().load("t1")

    assert stored.header == header(request_id="r1", detached=True)
    assert stored.body == b'{"a": "\xff"}'
    assert stored.tail == ([], Cursor(1, 0), store.process)


async def test_what_never_was_is_none(open_stores):
    assert await open_stores().load("t9") is None


async def test_what_is_appended_is_loaded_in_its_order_whatever_kind_it_is(open_stores):
    store = open_stores()
    await store.create(header(), b"")

    assert await append(store, "t1", (1, 0), EVERY_KIND[:3]) is None
    assert await append(store, "t1", (1, 3), EVERY_KIND[3:]) is None
    assert (await open_stores().load("t1")).tail == (EVERY_KIND, Cursor(1, 7), store.process)


async def test_progress_and_failures_are_kept_and_progress_does_not_count(open_stores):
    store = open_stores()
    await store.create(header(), b"")

    assert await append(store, "t1", (1, 0), [Progress(7, 7), Failure("1234", "no", 500)]) is None
    assert (await store.load("t1")).tail.events == [Progress(7, 7), Failure("1234", "no", 500)]
    assert (await store.load("t1")).tail.cursor == Cursor(1, 1)


async def test_an_append_that_is_repeated_counts_once(open_stores):
    store = open_stores()
    await store.create(header(), b"")

    assert await append(store, "t1", (1, 0), [Text("a")]) is None
    assert await append(store, "t1", (1, 0), [Text("a")]) is None
    assert await texts(store, "t1") == ["a"]


async def test_an_append_cannot_leave_a_gap(open_stores):
    store = open_stores()
    await store.create(header(), b"")
    await append(store, "t1", (1, 0), [Text("a")])
    outcome = await append(store, "t1", (1, 5), [Text("b")])

    assert isinstance(outcome, Behind)
    assert outcome.position == 1
    assert await texts(store, "t1") == ["a"]


async def test_who_was_taken_over_cannot_write_any_more(open_stores):
    old, new = open_stores(), open_stores()
    await old.create(header(), b"")
    await append(old, "t1", (1, 0), [Text("a")])

    assert await new.take_over("t1", 2)
    assert isinstance(await append(old, "t1", (1, 1), [Text("old")]), Fenced)
    assert await append(new, "t1", (2, 1), [Text("b")]) is None
    assert isinstance(await append(old, "t1", (1, 1), [Text("old")]), Fenced)
    assert (await old.load("t1")).tail == ([Text("a"), Text("b")], Cursor(2, 2), new.process)


async def test_an_append_that_follows_on_nothing_only_tells_who_may_write(open_stores):
    old, new = open_stores(), open_stores()
    await old.create(header(), b"")

    assert await append(old, "t1", (1, -1), [Text("never")]) is None
    await append(old, "t1", (1, 0), [Text("a")])
    assert await append(old, "t1", (1, -1), [Text("never"), Text("never")]) is None
    assert await texts(new, "t1") == ["a"]
    await new.take_over("t1", 2)
    assert isinstance(await append(old, "t1", (1, -1), [Text("never"), Text("never")]), Fenced)


async def test_of_several_that_take_over_one_does(open_stores):
    first = open_stores()
    await first.create(header(), b"")
    others = [open_stores() for _ in range(4)]
    taken = await asyncio.gather(*(store.take_over("t1", 2) for store in others))

    assert sorted(taken) == [False, False, False, True]
    assert await others[taken.index(True)].take_over("t1", 2)  # asked again: nothing has changed
    assert not await first.take_over("t1", 4)  # not the next one


async def test_a_follower_gets_what_comes_and_learns_who_produces(open_stores):
    producer, follower = open_stores(), open_stores()
    await producer.create(header(), b"")
    following = asyncio.create_task(follower.follow("t1", Cursor(1, 0), 5))
    await asyncio.sleep(0.05)
    await append(producer, "t1", (1, 0), [Progress(3, 3), Text("a"), Text("b")])
    tail = await following

    assert [event for event in tail.events if isinstance(event, Text)] == [Text("a"), Text("b")]
    assert tail.cursor == Cursor(1, 2)
    await follower.take_over("t1", 2)
    assert await producer.follow("t1", Cursor(1, 2), 5) == ([], Cursor(2, 2), follower.process)


async def test_a_follower_that_waits_for_nothing_gets_nothing_in_time(open_stores):
    store = open_stores()
    await store.create(header(), b"")
    before = time.monotonic()
    tail = await open_stores().follow("t1", Cursor(1, 0), 0.1)

    assert (tail.events, tail.cursor) == ([], Cursor(1, 0))
    assert time.monotonic() - before < 10


async def test_without_waiting_a_follower_has_everything_that_was_saved_before(open_stores):
    producer, follower = open_stores(), open_stores()
    await producer.create(header(), b"")
    for position in range(20):
        await append(producer, "t1", (1, position), [Text(str(position))])

        assert (await follower.follow("t1", Cursor(1, position), 0)).events == [Text(str(position))]


async def test_many_turns_are_followed_at_once(open_stores):
    producer, follower = open_stores(), open_stores()
    ids = [f"t{number}" for number in range(50)]
    for id in ids:
        await producer.create(header(id), b"")

    async def follow(id):
        read, cursor = [], Cursor(1, 0)
        while len(read) < 10:
            tail = await follower.follow(id, cursor, 5)
            read += tail.events
            cursor = tail.cursor
        return read

    async def produce(id):
        for position in range(10):
            assert await append(producer, id, (1, position), [Text(f"{id}:{position}")]) is None

    followed, *_ = await asyncio.gather(asyncio.gather(*map(follow, ids)), *map(produce, ids))

    assert followed == [[Text(f"{id}:{position}") for position in range(10)] for id in ids]


async def test_the_same_request_id_of_the_same_owner_is_the_same_turn(open_stores):
    store, other = open_stores(), open_stores()

    assert await store.create(header("t1", request_id="r"), b"") == "t1"
    assert await other.create(header("t2", request_id="r"), b"") == "t1"
    assert await other.create(header("t3", request_id="r", owner="you"), b"") == "t3"
    assert await other.create(header("t4", request_id="q"), b"") == "t4"
    assert await store.load("t2") is None


async def test_of_several_that_begin_with_the_same_request_id_one_does(open_stores):
    stores = [open_stores() for _ in range(4)]
    made = await asyncio.gather(
        *(store.create(header(f"t{number}", request_id="r"), b"") for number, store in enumerate(stores))
    )

    assert len(set(made)) == 1
    assert [await stores[0].load(f"t{number}") is not None for number in range(4)].count(True) == 1


async def test_a_request_id_can_be_given_to_a_new_turn_by_who_knows_the_old_one(open_stores):
    store = open_stores()
    await store.create(header("t1", request_id="r"), b"")

    assert await store.create(header("t2", request_id="r"), b"", replaces="t1") == "t2"
    assert await store.create(header("t3", request_id="r"), b"", replaces="t1") == "t2"
    assert await store.create(header("t4", request_id="r"), b"") == "t2"


async def test_a_process_lives_as_long_as_it_beats_and_says_when_it_leaves(open_stores):
    store, other = open_stores(lease=2), open_stores(lease=2)
    await other.beat()

    assert await store.life(other.process) is Life.ALIVE
    await asyncio.sleep(2.2)
    assert await store.life(other.process) is Life.SILENT
    await other.beat()
    await other.close()
    assert await store.life(other.process) is Life.LEFT


async def test_a_reader_elsewhere_is_known_for_the_length_of_a_lease(open_stores):
    store, other = open_stores(lease=2), open_stores(lease=2)
    await store.create(header(), b"")

    assert not await store.is_read("t1")
    await other.mark_read("t1")
    assert await store.is_read("t1")
    await asyncio.sleep(2.2)
    assert not await store.is_read("t1")


async def test_what_is_added_to_a_log_keeps_it(open_stores):
    store = open_stores(retention=2.5)
    await store.create(header(), b"")
    for position in range(4):
        assert await append(store, "t1", (1, position), [Text("a")]) is None
        await asyncio.sleep(0.7)
        await store.beat()

    assert not (await store.load("t1")).gone


async def test_a_log_is_evicted_when_nothing_was_added_for_a_while_and_its_turn_is_remembered(open_stores):
    store = open_stores(retention=0.1)
    await store.create(header(), b"body")
    await asyncio.sleep(0.2)
    await store.beat()
    stored = await store.load("t1")

    assert stored.header == header()
    assert "its log was kept as long as the server keeps logs" in stored.gone
    assert (stored.body, stored.tail.events) == (b"", [])
    assert isinstance(await append(store, "t1", (1, 0), [Text("a")]), GoneError)
    with pytest.raises(GoneError):
        await store.take_over("t1", 2)
    with pytest.raises(GoneError):
        await store.follow("t1", Cursor(1, 0), 0.05)


async def test_a_turn_is_remembered_as_long_as_its_log_is_kept(open_stores):
    store = open_stores(remembrance=0)
    await store.create(header(request_id="r"), b"")
    await asyncio.sleep(0.05)
    await store.beat()

    assert (await store.load("t1")).header == header(request_id="r")
    assert await store.create(header("t2", request_id="r"), b"") == "t1"


async def test_a_turn_whose_log_is_gone_is_forgotten_at_last(open_stores):
    store = open_stores(retention=0.1, remembrance=0.3)
    await store.create(header(request_id="r"), b"")
    await asyncio.sleep(0.5)
    await store.beat()
    await asyncio.sleep(0.03)
    await store.beat()

    assert await store.load("t1") is None
    assert await store.create(header("t2", request_id="r"), b"") == "t2"


@pytest.mark.parametrize("store_kind", ["sqlite", "redis"], indirect=True)
async def test_the_turns_that_are_ready_together_are_written_together(open_stores):
    store = open_stores()
    ids = [f"t{number}" for number in range(100)]
    for id in ids:
        await store.create(header(id), b"")
    writes = []
    write = store._commit._write

    async def counted(batch):
        writes.append(len(batch))
        return await write(batch)

    store._commit._write = counted
    for position in range(5):
        outcomes = await asyncio.gather(*(append(store, id, (1, position), [Text("a")]) for id in ids))
        assert outcomes == [None] * 100

    assert writes == [100] * 5
