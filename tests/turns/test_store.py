"""The contract of `TurnStore`, for every store of the registry. Each `open_stores()` is another process."""

import asyncio
import math
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
from headrace.turns.entries import Failure
from headrace.turns.store import Append, Behind, Cursor, Fenced, GoneError, Liveness
from headrace.turns.takeover import Takeover
from turn_stores import append, header, shared

EVERY_TYPE = [
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


async def test_a_new_turn_has_its_request_and_an_empty_log(open_stores):
    store = open_stores()
    await store.create(header(request_id="r1", detached=True), b'{"a": "\xff"}')
    stored = await open_stores().load("t1")

    assert stored.header == header(request_id="r1", detached=True)
    assert stored.body == b'{"a": "\xff"}'
    assert stored.tail == ([], Cursor(1, 0), [Takeover(1, 0, store.process)])


async def test_an_unknown_turn_is_none(open_stores):
    assert await open_stores().load("t9") is None


async def test_appended_events_of_every_type_are_loaded_in_order(open_stores):
    store = open_stores()
    await store.create(header(), b"")

    assert await append(store, "t1", (1, 0), EVERY_TYPE[:3]) is None
    assert await append(store, "t1", (1, 3), EVERY_TYPE[3:]) is None
    assert (await open_stores().load("t1")).tail == (
        EVERY_TYPE,
        Cursor(1, 7),
        [Takeover(1, 0, store.process)],
    )


async def test_progress_and_failures_are_stored_and_progress_does_not_count(open_stores):
    store = open_stores()
    await store.create(header(), b"")

    assert await append(store, "t1", (1, 0), [Progress(7, 7), Failure("1234", "no", 500)]) is None
    assert (await store.load("t1")).tail.events == [Progress(7, 7), Failure("1234", "no", 500)]
    assert (await store.load("t1")).tail.cursor == Cursor(1, 1)


async def test_a_repeated_append_counts_once(open_stores):
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


async def test_a_producer_that_was_taken_over_is_fenced(open_stores):
    old, new = open_stores(), open_stores()
    await old.create(header(), b"")
    await append(old, "t1", (1, 0), [Text("a")])

    assert await new.take_over("t1", 2)
    assert isinstance(await append(old, "t1", (1, 1), [Text("old")]), Fenced)
    assert await append(new, "t1", (2, 1), [Text("b")]) is None
    assert isinstance(await append(old, "t1", (1, 1), [Text("old")]), Fenced)
    events, cursor, takeovers = (await old.load("t1")).tail
    assert (events, cursor) == ([Text("a"), Text("b")], Cursor(2, 2))
    assert takeovers[-1] == Takeover(2, 1, new.process)


async def test_an_append_after_no_position_only_checks_the_fence(open_stores):
    old, new = open_stores(), open_stores()
    await old.create(header(), b"")

    assert await append(old, "t1", (1, -1), [Text("never")]) is None
    await append(old, "t1", (1, 0), [Text("a")])
    assert await append(old, "t1", (1, -1), [Text("never"), Text("never")]) is None
    assert await texts(new, "t1") == ["a"]
    await new.take_over("t1", 2)
    assert isinstance(await append(old, "t1", (1, -1), [Text("never"), Text("never")]), Fenced)


async def test_of_several_concurrent_takeovers_one_succeeds(open_stores):
    first = open_stores()
    await first.create(header(), b"")
    others = [open_stores() for _ in range(4)]
    taken = await asyncio.gather(*(store.take_over("t1", 2) for store in others))

    assert sorted(taken) == [False, False, False, True]
    assert await others[taken.index(True)].take_over("t1", 2)  # repeated: no effect
    assert not await first.take_over("t1", 4)  # not the next fence


async def test_a_follower_receives_new_events_and_the_producer(open_stores):
    producer, follower = open_stores(), open_stores()
    await producer.create(header(), b"")
    following = asyncio.create_task(follower.follow("t1", Cursor(1, 0), 5))
    await asyncio.sleep(0.05)
    await append(producer, "t1", (1, 0), [Progress(3, 3), Text("a"), Text("b")])
    tail = await following

    assert [event for event in tail.events if isinstance(event, Text)] == [Text("a"), Text("b")]
    assert tail.cursor == Cursor(1, 2)
    await follower.take_over("t1", 2)
    assert await producer.follow("t1", Cursor(1, 2), 5) == (
        [],
        Cursor(2, 2),
        [Takeover(2, 2, follower.process)],
    )


async def test_following_a_silent_log_returns_nothing_after_the_wait(open_stores):
    store = open_stores()
    await store.create(header(), b"")
    before = time.monotonic()
    tail = await open_stores().follow("t1", Cursor(1, 0), 0.1)

    assert (tail.events, tail.cursor) == ([], Cursor(1, 0))
    assert time.monotonic() - before < 10


async def test_following_without_a_wait_returns_everything_saved_before(open_stores):
    producer, follower = open_stores(), open_stores()
    await producer.create(header(), b"")
    for position in range(20):
        await append(producer, "t1", (1, position), [Text(str(position))])

        assert (await follower.follow("t1", Cursor(1, position), 0)).events == [Text(str(position))]


async def test_many_turns_can_be_followed_at_once(open_stores):
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


async def test_of_several_concurrent_creations_with_the_same_request_id_one_succeeds(open_stores):
    stores = [open_stores() for _ in range(4)]
    made = await asyncio.gather(
        *(store.create(header(f"t{number}", request_id="r"), b"") for number, store in enumerate(stores))
    )

    assert len(set(made)) == 1
    assert [await stores[0].load(f"t{number}") is not None for number in range(4)].count(True) == 1


async def test_a_request_id_can_be_moved_from_a_known_turn_to_a_new_one(open_stores):
    store = open_stores()
    await store.create(header("t1", request_id="r"), b"")

    assert await store.create(header("t2", request_id="r"), b"", replaces="t1") == "t2"
    assert await store.create(header("t3", request_id="r"), b"", replaces="t1") == "t2"
    assert await store.create(header("t4", request_id="r"), b"") == "t2"


async def test_a_process_is_alive_while_it_has_heartbeats_until_it_leaves(open_stores):
    store, other = open_stores(lease=2), open_stores(lease=2)
    await other.heartbeat()

    assert await store.liveness(other.process) is Liveness.ALIVE
    await asyncio.sleep(2.2)
    assert await store.liveness(other.process) is Liveness.EXPIRED
    await other.heartbeat()
    await other.close()
    await asyncio.sleep(2 / 60)
    assert await store.liveness(other.process) is Liveness.LEFT


async def test_the_age_of_a_reader_in_another_process_counts_from_when_it_was_last_there(open_stores):
    store, other = (open_stores(lease=0.1, linger=60) for _ in range(2))
    await store.create(header(), b"")

    assert await store.reader_age("t1") == math.inf
    await other.touch_reader("t1")
    assert 0 <= await store.reader_age("t1") < 0.15
    await asyncio.sleep(0.15)
    assert 0.14 < await store.reader_age("t1") < 5
    await other.touch_reader("t1")
    assert 0 <= await store.reader_age("t1") < 0.15


async def test_an_append_extends_the_retention_of_a_log(open_stores):
    store = open_stores(retention=2.5)
    await store.create(header(), b"")
    for position in range(4):
        assert await append(store, "t1", (1, position), [Text("a")]) is None
        await asyncio.sleep(0.7)
        await store.heartbeat()

    assert not (await store.load("t1")).evicted


async def test_a_log_is_evicted_after_its_retention_time_and_leaves_a_tombstone(open_stores):
    store = open_stores(retention=0.1)
    await store.create(header(), b"body")
    await asyncio.sleep(0.2)
    await store.heartbeat()
    stored = await store.load("t1")

    assert (stored.header.id, stored.header.owner) == ("t1", "me")
    assert "its retention time is over" in stored.evicted
    assert (stored.body, stored.tail.events) == (b"", [])
    assert isinstance(await append(store, "t1", (1, 0), [Text("a")]), GoneError)
    with pytest.raises(GoneError):
        await store.take_over("t1", 2)
    with pytest.raises(GoneError):
        await store.follow("t1", Cursor(1, 0), 5)


async def test_a_log_that_was_deleted_is_gone_for_every_process(open_stores):
    store, other = open_stores(), open_stores()
    for id in ("t1", "t2"):
        await store.create(header(id), b"body")
        await append(store, id, (1, 0), [Text("a"), Finish("stop")])
    for _ in range(2):
        await other.delete("t1")
    stored = await store.load("t1")

    assert (stored.header.owner, stored.body, stored.tail.events) == ("me", b"", [])
    assert "it was deleted" in stored.evicted
    assert await texts(store, "t2") == ["a"]


async def test_a_turn_is_known_as_long_as_its_log_is_kept(open_stores):
    store = open_stores(tombstone_ttl=0)
    await store.create(header(request_id="r"), b"")
    await asyncio.sleep(0.05)
    await store.heartbeat()

    assert (await store.load("t1")).header == header(request_id="r")
    assert await store.create(header("t2", request_id="r"), b"") == "t1"


async def test_a_tombstone_expires(open_stores):
    store = open_stores(retention=0.1, tombstone_ttl=0.3)
    await store.create(header(request_id="r"), b"")
    await asyncio.sleep(0.5)
    await store.heartbeat()
    await asyncio.sleep(0.03)
    await store.heartbeat()

    assert await store.load("t1") is None
    assert await store.create(header("t2", request_id="r"), b"") == "t2"


@shared
async def test_appends_of_one_tick_are_one_write_with_one_reply(open_stores):
    store = open_stores()
    ids = [f"t{number}" for number in range(100)]
    for id in ids:
        await store.create(header(id), b"")
    loop = asyncio.get_running_loop()
    ticks = 0

    def tick():
        nonlocal ticks, clock
        ticks += 1
        clock = loop.call_soon(tick)

    async def append_in_tick(id, position):
        result = loop.create_future()
        after, end = Cursor(1, position), Cursor(1, position + 1)
        store.append(Append(id, after, end, [Text("a")], lambda reply: result.set_result((reply, ticks))))
        return await result

    clock = loop.call_soon(tick)
    for position in range(5):
        replies = await asyncio.gather(*(append_in_tick(id, position) for id in ids))
        assert len(set(replies)) == 1
        assert replies[0][0] is None
    clock.cancel()


@pytest.mark.parametrize("id", ["t9", "", ".", "..", "../t1", "t1/../t1", "t1\0", "%2e%2e", "*", "T1"])
async def test_only_the_exact_id_names_a_turn(open_stores, id):
    store = open_stores()
    await store.create(header("t1"), b"")

    assert await store.load(id) is None
    assert isinstance(await append(store, id, (1, 0), [Text("a")]), GoneError)
    with pytest.raises(GoneError):
        await store.take_over(id, 2)
    with pytest.raises(GoneError):
        await store.follow(id, Cursor(1, 0), 0)
    assert (await store.load("t1")).tail == ([], Cursor(1, 0), [Takeover(1, 0, store.process)])


async def test_the_unfinished_turns_of_an_owner_are_listed_in_every_process(open_stores):
    here, there = open_stores(), open_stores()
    for number, owner in enumerate(["a", "a", "b", "a", ""]):
        await here.create(header(f"t{number}", owner=owner, request_id=f"r{number}"), b"body")
    await append(here, "t0", (1, 0), [Text("a"), Finish("stop")])
    await append(here, "t1", (1, 0), [Text("a")])
    await there.take_over("t3", 2)
    await append(there, "t3", (2, 0), [Text("a"), Finish("stop")])

    for store in (here, there):
        listed = {owner: [turn.id for turn in await store.running(owner)] for owner in ("a", "b", "", "c")}
        assert listed == {"a": ["t1"], "b": ["t2"], "": ["t4"], "c": []}
        assert [turn.request_id for turn in await store.running("b")] == ["r2"]
