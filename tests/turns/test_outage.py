"""Stores that are unreachable or cannot write: a clear error, or a turn without the store; never a hang."""

import asyncio
import resource
import time

import pytest

from continuing_engine import ContinuingEngine
from headrace.events import Finish, Text, TokenUsage
from headrace.turns import TurnRegistry, TurnSettings, open_store
from headrace.turns.memory import MemoryStore
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import Behind, Cursor, Fenced, GoneError, Liveness, StoreError
from plans import planner
from processes import SCRIPT, read, start
from redis_server import RedisServer, is_installed
from store_backends import BACKENDS
from turn_stores import append, header, needs_redis, settings
from waiting import until_async


class RedisOutage:
    """A Redis that can be killed and started again."""

    def __init__(self, directory):
        self.address, server = BACKENDS["redis"](directory)
        server.start()
        self.begin = server.kill
        self.end = server.start
        self.close = server.stop


class FullDisk:
    """A SQLite file on a disk that is full: this process may not extend any file beyond its size."""

    def __init__(self, directory):
        self.address, _ = BACKENDS["sqlite"](directory)
        self._log = directory / "turns.db-wal"
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def begin(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._log.stat().st_size, self._limits[1]))

    def end(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)

    close = end


@pytest.fixture(params=["full disk", pytest.param("redis", marks=needs_redis)])
def outage(request, tmp_path):
    outage = RedisOutage(tmp_path) if request.param == "redis" else FullDisk(tmp_path)
    yield outage
    outage.close()


@pytest.fixture
async def open_one(outage):
    """Opens a registry over that store."""
    opened = []

    def open_it(engine, **limits):
        registry = registry_over(outage.address, engine, **{"store_retry_timeout": 0.3, **limits})
        opened.append(registry)
        return registry

    yield open_it
    for registry in opened:
        await registry.close()


def registry_over(address, engine=None, **limits):
    chosen = settings(store=address, **limits)
    return TurnRegistry(open_store(chosen), planner(engine or ContinuingEngine(SCRIPT)), chosen)


LONG = "".join(f"{number:6}" for number in range(4000))  # more than is free in a page


async def test_a_short_outage_in_mid_stream_goes_unnoticed(open_one, outage):
    engine = ContinuingEngine(LONG, piece=600)
    engine.pause_after(5)
    registry = open_one(engine, store_retry_timeout=20.0)
    turn = await start(registry)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 5)
    outage.begin()
    engine.go_on()
    await asyncio.sleep(0.3)
    assert turn.log.published < len(turn.log.events) == 41  # not published before it is saved
    outage.end()

    assert await reading == (LONG, Finish("stop", TokenUsage(7, 41)))
    assert await read(await registry.find(turn.id, "me")) == (LONG, Finish("stop", TokenUsage(7, 41)))


async def test_a_longer_outage_ends_the_turn_with_network_error_and_stops_the_engine(open_one, outage):
    engine = ContinuingEngine(LONG, piece=600, delay=0.05)
    registry = open_one(engine)
    turn = await start(registry)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 2)
    outage.begin()
    text, ending = await reading

    assert LONG.startswith(text)
    assert ending.reason == "network_error"
    assert "the turn store" in ending.error
    assert not turn.log.is_saved
    assert engine.running == 0
    outage.end()  # the ending is saved later
    await until_async(lambda: turn.log.is_saved)
    assert await read(await registry.find(turn.id, "me")) == (text, ending)


async def test_with_on_store_error_continue_the_turn_continues_and_is_saved_later(open_one, outage):
    engine = ContinuingEngine(LONG, piece=600, delay=0.03)
    registry = open_one(engine, on_store_error="continue")
    turn = await start(registry)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 2)
    outage.begin()

    assert (await reading)[0] == LONG
    assert not turn.log.is_saved
    assert await registry.find(turn.id, "me") is turn  # no other process has its ending
    outage.end()
    await until_async(lambda: turn.log.is_saved)
    assert (await read(await registry.find(turn.id, "me")))[0] == LONG
    assert len(engine.asked) == 1


@needs_redis
async def test_an_unreachable_store_rejects_a_turn_at_once(tmp_path):
    for name in (f"sqlite:{tmp_path}/missing/turns.db", "redis://127.0.0.1:1/0?password=sesame"):
        registry = registry_over(name)
        before = time.monotonic()
        with pytest.raises(StoreError) as refused:
            await start(registry)
        await registry.close()

        assert (refused.value.code, refused.value.status) == ("1234", 503)
        assert "sesame" not in refused.value.message
        assert time.monotonic() - before < 20


@needs_redis
async def test_with_on_store_error_continue_a_turn_starts_without_the_store(tmp_path):
    for name in (f"sqlite:{tmp_path}/missing/turns.db", "redis://127.0.0.1:1/0"):
        registry = registry_over(name, on_store_error="continue")
        turn = await start(registry)

        assert not turn.log.is_saved
        assert (await read(turn))[0] == SCRIPT
        with pytest.raises(StoreError):  # its result could not be requested later
            await start(registry, resumable=False, detached=True)
        await registry.close()


async def test_a_file_that_is_not_a_database_is_a_clear_error(tmp_path):
    (tmp_path / "turns.db").write_bytes(b"not a database, but longer than its header" * 100)
    store = SqliteStore(settings(store=f"sqlite:{tmp_path}/turns.db"))
    with pytest.raises(StoreError, match=r"turns\.db is unavailable: file is not a database"):
        await store.create(header(), b"")
    await store.close()


# --- Redis ----------------------------------------------------------------------------------------------


@pytest.fixture
async def redis(tmp_path):
    if not is_installed():
        pytest.skip("no Redis or Valkey server is installed")
    server = BACKENDS["redis"](tmp_path).server
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis_store(redis):
    from headrace.turns.redis import RedisStore

    store = RedisStore(settings(store=redis.url, store_retry_timeout=0.5))
    yield store
    await store.close()


@pytest.fixture
async def client(redis):
    """A connection of another program."""
    from redis.asyncio import Redis

    async with Redis.from_url(redis.url) as client:
        yield client


async def test_saved_events_survive_a_crash_of_redis(redis, redis_store):
    await redis_store.create(header(), b"body")
    for position in range(50):
        assert await append(redis_store, "t1", (1, position), [Text(str(position))]) is None
    redis.kill()
    redis.start()
    stored = await redis_store.load("t1")

    assert [event.text for event in stored.tail.events] == [str(position) for position in range(50)]
    assert await append(redis_store, "t1", (1, 50), [Text("next")]) is None


async def test_a_redis_that_lost_the_last_events_receives_them_again(redis_store, client):
    """With `appendfsync everysec` a crash can lose the last second of acknowledged writes."""
    engine = ContinuingEngine(SCRIPT, delay=0.02)  # each event is an entry
    engine.pause_after(6)
    registry = TurnRegistry(redis_store, planner(engine), settings())
    turn = await start(registry)
    await until_async(lambda: turn.log.published == 6)
    log = f"headrace:log:{turn.id}"
    entries = await client.xrange(log)
    await client.delete(log)
    for id, fields in entries[:4]:  # the body and three events
        await client.xadd(log, fields, id=id)
    assert isinstance(await append(redis_store, turn.id, (1, 6), [Text("x")]), Behind)
    engine.go_on()

    assert (await read(turn))[0] == SCRIPT
    assert (await read(await registry.find(turn.id, "me")))[0] == SCRIPT
    await registry.close()


async def test_a_repeated_creation_creates_one_turn(redis_store):
    """redis-py retries by itself when a connection is lost with the reply."""
    for _ in range(2):
        assert await redis_store.create(header(request_id="r"), b"body") == "t1"
    await append(redis_store, "t1", (1, 0), [Text("a")])

    assert await redis_store.create(header(request_id="r"), b"body") == "t1"
    assert (await redis_store.load("t1")).tail.events == [Text("a")]


async def test_a_redis_out_of_memory_fails_until_it_has_some(redis_store, client):
    await redis_store.create(header(), b"")
    await client.config_set("maxmemory", 1)
    outcome = await append(redis_store, "t1", (1, 0), [Text("a")])
    assert isinstance(outcome, StoreError)
    assert "maxmemory" in outcome.message
    with pytest.raises(StoreError, match="maxmemory"):
        await redis_store.create(header("t2"), b"")
    await client.config_set("maxmemory", 0)

    assert await append(redis_store, "t1", (1, 0), [Text("a")]) is None


async def test_a_full_redis_evicts_logs_and_keeps_tombstones(redis_store, client):
    used = (await client.info("memory"))["used_memory"]
    await client.config_set("maxmemory", used + 3_000_000)
    await client.config_set("maxmemory-policy", "volatile-ttl")
    await client.config_set("maxmemory-samples", 64)
    for number in range(20):
        await redis_store.create(header(f"t{number}"), b"")
        assert await append(redis_store, f"t{number}", (1, 0), [Text("x" * 500_000), Finish("stop")]) is None
    stored = [await redis_store.load(f"t{number}") for number in range(20)]

    assert all(turn is not None for turn in stored)
    assert stored[0].evicted
    assert not stored[19].evicted


async def test_redis_itself_rejects_late_events_of_a_producer_that_was_taken_over(redis_store, client):
    """A write delayed in a lost connection is harmless: an id below the last one is never accepted."""
    from redis.exceptions import ResponseError

    await redis_store.create(header(), b"")
    await append(redis_store, "t1", (1, 0), [Text("a")])
    await redis_store.take_over("t1", 2)
    with pytest.raises(ResponseError, match="equal or smaller"):
        await client.xadd("headrace:log:t1", {"events": b'[["x","late"]]'}, id="1-2")

    assert isinstance(await append(redis_store, "t1", (1, 1), [Text("late")]), Fenced)


async def test_a_log_deleted_from_redis_is_gone_for_writer_and_follower(redis_store, client):
    await redis_store.create(header(), b"")
    await client.delete("headrace:log:t1")

    assert isinstance(await append(redis_store, "t1", (1, 0), [Text("a")]), GoneError)
    with pytest.raises(GoneError):
        await redis_store.follow("t1", Cursor(1, 0), 5)


# --- size limits ----------------------------------------------------------------------------------------


async def test_a_full_file_evicts_the_oldest_finished_turns(tmp_path):
    store = SqliteStore(settings(store=f"sqlite:{tmp_path}/turns.db", store_size=1_000_000))
    for number in range(20):
        await store.create(header(f"t{number}"), b"")
        events = [Text("x" * 100_000)] if number < 2 else [Text("x" * 100_000), Finish("stop")]
        assert await append(store, f"t{number}", (1, 0), events) is None
    await store.heartbeat()
    evicted = [bool((await store.load(f"t{number}")).evicted) for number in range(20)]
    await store.close()

    assert evicted == [False] * 2 + [True] * 11 + [False] * 7  # running turns stay


async def test_full_memory_evicts_the_oldest_finished_turns():
    store = MemoryStore(TurnSettings(store_size=1_000_000))
    for number in range(20):
        await store.create(header(f"t{number}"), b"")
        events = [Text("x" * 100_000)] if number < 2 else [Text("x" * 100_000), Finish("stop")]
        assert await append(store, f"t{number}", (1, 0), events) is None
    evicted = [bool((await store.load(f"t{number}")).evicted) for number in range(20)]

    assert evicted == [False] * 2 + [True] * 9 + [False] * 9


@needs_redis
async def test_a_full_redis_evicts_the_oldest_finished_turns_and_nothing_that_runs(tmp_path):
    limits = ("--maxmemory", "4mb", "--maxmemory-policy", "volatile-ttl", "--maxmemory-samples", "20")
    server = RedisServer(tmp_path, *limits)
    server.start()
    store = open_store(settings(store=server.url, lease=60.0))
    try:
        await store.heartbeat()
        for number in range(300):
            await store.create(header(f"t{number}"), b"")
            texts = [Text("x" * 10_000)]
            events = texts if number < 20 else [*texts, Finish("stop")]
            assert await append(store, f"t{number}", (1, 0), events) is None
            await store.touch_reader("t0")
        evicted = [bool((await store.load(f"t{number}")).evicted) for number in range(300)]
        liveness, age = await store.liveness(store.process), await store.reader_age("t0")
    finally:
        await store.close()
        server.stop()

    assert not any(evicted[:20])
    assert 10 < sum(evicted[20:]) < 280
    assert not any(evicted[-20:])
    assert liveness is Liveness.ALIVE
    assert age < 60


async def test_a_new_file_can_be_opened_by_several_processes_at_once(tmp_path):
    stores = [SqliteStore(settings(store=f"sqlite:{tmp_path}/turns.db")) for _ in range(8)]
    await asyncio.gather(*(store.create(header(f"t{number}"), b"") for number, store in enumerate(stores)))
    found = [await stores[0].load(f"t{number}") is not None for number in range(8)]
    for store in stores:
        await store.close()

    assert found == [True] * 8
