"""A Redis primary fails, and its replica lacks the last writes: never a silent gap, never two texts."""

import asyncio
import contextlib

import pytest

from continuing_engine import ContinuingEngine
from headrace.events import CANCELLED, Finish, Text, TokenUsage
from headrace.turns import TurnRegistry, open_store
from headrace.turns import writer as writer_module
from headrace.turns.store import LOST, Behind, Fenced
from plans import planner
from processes import SCRIPT, die, read, start
from turn_stores import append, header, needs_redis, settings
from waiting import until_async

pytestmark = needs_redis

LEASE = 0.5
WHOLE = (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@pytest.fixture
def redis(tmp_path):
    from redis_failover import ReplicatedRedis

    servers = ReplicatedRedis(tmp_path)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
async def open_one(redis):
    """Opens the registry of a process, with an engine that pauses after some tokens."""
    opened = []

    def open_registry(pause_after=None):
        engine = ContinuingEngine(SCRIPT, delay=0.002)  # each event is an entry
        if pause_after is not None:
            engine.pause_after(pause_after)
        chosen = settings(store=redis.url, lease=LEASE, store_retry_timeout=10.0)
        registry = TurnRegistry(open_store(chosen), planner(engine), chosen)
        opened.append(registry)
        return registry, engine

    yield open_registry
    for registry in opened:
        await registry.close()


@pytest.fixture
async def open_process(redis):
    opened = []

    def open_one():
        opened.append(open_store(settings(store=redis.url, lease=LEASE)))
        return opened[-1]

    yield open_one
    for store in opened:
        await store.close()


async def ten_lost(redis, engine, turn):
    """Let the producer save ten events that the replica does not have."""
    saved = turn.log.published
    redis.pause()
    engine.go_on(saved + 10)
    await until_async(lambda: turn.log.published == saved + 10)


async def test_a_producer_that_lives_writes_again_what_the_failover_has_lost(redis, open_one):
    here, engine = open_one(5)
    there, _ = open_one(0)
    turn = await start(here)
    await until_async(lambda: turn.log.published == 5)
    away = await there.find(turn.id, "me")
    reading = asyncio.create_task(read(away))
    await ten_lost(redis, engine, turn)
    await until_async(lambda: away.log.published == 15)
    redis.fail_over()
    engine.go_on()

    assert await read(turn) == WHOLE
    assert await reading == WHOLE
    third, idle = open_one(0)
    assert await read(await third.find(turn.id, "me")) == WHOLE
    assert idle.asked == []


async def test_without_its_producer_a_turn_continues_from_what_is_left_and_older_readers_are_told(
    redis, open_one
):
    here, engine = open_one(5)
    there, _ = open_one()
    turn = await start(here)
    await until_async(lambda: turn.log.published == 5)
    away = await there.find(turn.id, "me")
    reading = asyncio.create_task(read(away))
    await ten_lost(redis, engine, turn)
    await until_async(lambda: away.log.published == 15)
    die(here)
    redis.fail_over()
    text, ending = await reading

    assert (text, ending.reason) == (SCRIPT[: len(text)], "network_error")
    assert LOST in ending.error
    third, living = open_one()  # `there` has taken the turn over, but does not keep it
    found = await third.find(turn.id, "me")
    assert await read(found) == WHOLE
    assert len(living.asked) == 1
    assert found.log.epochs


async def test_a_takeover_that_the_failover_has_lost_is_restored_by_its_producer(redis, open_one):
    here, _ = open_one(5)
    there, engine = open_one(3)
    turn = await start(here)
    await until_async(lambda: turn.log.published == 5)
    redis.pause()
    die(here)
    away = await there.find(turn.id, "me")
    reading = asyncio.create_task(read(away))
    await until_async(lambda: away.log.published == 8)
    redis.fail_over()
    engine.go_on()

    assert await reading == WHOLE
    third, idle = open_one(0)
    found = await third.find(turn.id, "me")
    assert await read(found) == WHOLE
    assert found.log.epochs == away.log.epochs
    assert idle.asked == []


async def test_a_stop_that_the_failover_has_lost_is_restored_and_the_first_producer_obeys(
    redis, open_one, monkeypatch
):
    monkeypatch.setattr(writer_module, "_MAY_BE_LOST", 0.5)
    here, engine = open_one(5)
    there, _ = open_one(0)
    turn = await start(here)
    await until_async(lambda: turn.log.published == 5)
    away = await there.find(turn.id, "me")
    redis.pause()
    away.stop()
    await until_async(lambda: away.log.is_finished)
    redis.fail_over()

    await until_async(lambda: turn.log.is_finished)
    assert turn.log.events[-1].reason == CANCELLED
    await until_async(lambda: engine.running == 0)
    third, _ = open_one(0)

    async def stored_ending():
        return (await read(await third.find(turn.id, "me")))[1].reason

    assert await stored_ending() == CANCELLED


async def test_of_two_processes_that_were_given_the_same_fence_only_the_second_may_write(redis, open_process):
    """A failover has lost the first takeover, and the second one is of the same fence."""
    first, second, third = open_process(), open_process(), open_process()
    await first.create(header(), b"")
    assert await append(first, "t1", (1, 0), [Text("a")]) is None
    redis.pause()
    assert await second.take_over("t1", 2)
    assert await append(second, "t1", (2, 1), [Text("b")]) is None
    redis.fail_over()
    assert await third.take_over("t1", 2)
    assert await append(third, "t1", (2, 1), [Text("c")]) is None

    assert isinstance(await append(second, "t1", (2, 2), [Text("d")]), Fenced)  # although (2, 2) is the end
    assert isinstance(await append(second, "t1", (2, 3), [Text("d")]), Fenced)
    assert await append(third, "t1", (2, 2), [Text("e")]) is None
    assert [event.text for event in (await first.load("t1")).tail.events] == ["a", "c", "e"]


async def test_a_writer_whose_takeover_was_lost_learns_what_is_left(redis, open_process):
    first, second = open_process(), open_process()
    await first.create(header(), b"")
    assert await append(first, "t1", (1, 0), [Text("a")]) is None
    redis.pause()
    assert await second.take_over("t1", 2)
    assert await append(second, "t1", (2, 1), [Text("b")]) is None
    redis.fail_over()
    result = await append(second, "t1", (2, 2), [Text("c")])

    assert isinstance(result, Behind)
    assert result.position == 1
    assert await append(second, "t1", (2, 1), [Text("b"), Text("c")]) is None
    assert isinstance(await append(first, "t1", (1, 1), [Text("x")]), Fenced)


@pytest.mark.parametrize("end", ["demote", "isolate"])  # READONLY, NOREPLICAS
async def test_a_server_that_refuses_writes_is_left_for_the_one_that_its_name_leads_to(redis, end):
    """A proxy stands for the name: connections that exist stay where they are."""
    from redis import Redis

    target, new = redis.ports
    connections = set()

    async def forward(reader, writer):
        connections.add(writer)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(copy(reader, to_server), copy(from_server, writer))
        connections.discard(writer)

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = open_store(settings(store=f"redis://127.0.0.1:{port}/0", lease=LEASE))
    try:
        await store.create(header(), b"")
        assert await append(store, "t1", (1, 0), [Text("a")]) is None
        target = new
        getattr(redis, end)()
        assert await append(store, "t1", (1, 1), [Text("b")]) is None
        await store.heartbeat()
        with Redis(port=new) as client:
            assert client.xlen("headrace:log:t1") == 3
    finally:
        await store.close()
        server.close()
        await until_async(lambda: not connections)


async def copy(source, sink):
    """Copy until the end, or until the connection is lost."""
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
    sink.close()
