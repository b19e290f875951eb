"""Stores that cannot be reached, or cannot write: a clear error, or going on; no hang and no silent loss."""

import asyncio
import time

import pytest

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.engines import Generation
from headrace.errors import HeadraceError
from headrace.events import Finish, Text, TokenUsage
from headrace.turns import TurnRegistry, open_store
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import Behind, Cursor, Fenced, GoneError, StoreError
from processes import SCRIPT, read, start, until
from redis_server import RedisServer, is_installed
from turn_stores import append, header, settings

needs_redis = pytest.mark.skipif(not is_installed(), reason="redis-server is not installed")


class RedisOutage:
    """A Redis that can be switched off and on again."""

    def __init__(self, directory):
        self._server = RedisServer(directory, "--appendonly", "yes", "--appendfsync", "always")
        self._server.start()
        self.name = self._server.url
        self.off = self._server.kill
        self.on = self._server.start
        self.end = self._server.stop


class FullDisk:
    """A SQLite file that may not grow any more."""

    def __init__(self, directory):
        self.name = f"sqlite:{directory}/turns.db"
        self.stores = []

    def off(self):
        self._limit(1)

    def on(self):
        self._limit(1_000_000)

    def end(self):
        pass

    def _limit(self, pages):
        for store in self.stores:
            store._thread.submit(_execute, store._file, f"PRAGMA max_page_count = {pages}").result()


def _execute(file, statement):
    file._connection.execute(statement)


@pytest.fixture(params=["full disk", pytest.param("redis", marks=needs_redis)])
def store(request, tmp_path):
    outage = RedisOutage(tmp_path) if request.param == "redis" else FullDisk(tmp_path)
    yield outage
    outage.end()


@pytest.fixture
async def open_one(store):
    """A registry over that store."""
    opened = []

    def open_it(engine, **limits):
        chosen = settings(store=store.name, **{"store_patience": 0.3, **limits})
        kept = open_store(chosen)
        if isinstance(store, FullDisk):
            store.stores.append(kept)
        registry = TurnRegistry(kept, lambda request: (engine, Generation(f"q{ASSISTANT}", request)), chosen)
        opened.append(registry)
        return registry

    yield open_it
    for registry in opened:
        await registry.close()


LONG = "".join(f"{number:6}" for number in range(4000))  # more than is free in a page


async def test_a_store_that_fails_for_a_moment_in_mid_stream_is_not_noticed(open_one, store):
    engine = ContinuingEngine(LONG, piece=600)
    engine.pause_after(5)
    registry = open_one(engine, store_patience=20.0)
    turn = await start(registry)
    reading = asyncio.create_task(read(turn))
    await until(lambda: turn.log.shown == 5)
    store.off()
    engine.go_on()
    await asyncio.sleep(0.3)
    assert turn.log.shown < len(turn.log.events) == 41  # said, but shown to nobody before it is saved
    store.on()

    assert await reading == (LONG, Finish("stop", TokenUsage(7, 41)))
    assert await read(await registry.find(turn.id, "me")) == (LONG, Finish("stop", TokenUsage(7, 41)))


async def test_a_store_that_fails_for_longer_ends_the_turn_with_network_error_and_stops_the_engine(
    open_one, store
):
    engine = ContinuingEngine(LONG, piece=600, delay=0.05)
    registry = open_one(engine)
    turn = await start(registry)
    reading = asyncio.create_task(read(turn))
    await until(lambda: turn.log.shown == 2)
    store.off()
    text, ending = await reading

    assert LONG.startswith(text)
    assert ending.reason == "network_error"
    assert "the turn store" in ending.error
    assert not turn.is_durable
    assert engine.running == 0
    store.on()  # the ending is still to be saved, and is
    await until(lambda: turn.is_durable)
    assert await read(await registry.find(turn.id, "me")) == (text, ending)


async def test_by_configuration_the_turn_goes_on_and_is_saved_when_the_store_is_back(open_one, store):
    engine = ContinuingEngine(LONG, piece=600, delay=0.03)
    registry = open_one(engine, store_failure="go-on")
    turn = await start(registry)
    reading = asyncio.create_task(read(turn))
    await until(lambda: turn.log.shown == 2)
    store.off()

    assert (await reading)[0] == LONG
    assert not turn.is_durable
    assert await registry.find(turn.id, "me") is turn  # nobody else knows its ending
    store.on()
    await until(lambda: turn.is_durable)
    assert (await read(await registry.find(turn.id, "me")))[0] == LONG
    assert len(engine.asked) == 1


@needs_redis
async def test_a_store_that_cannot_be_reached_refuses_a_turn_at_once(tmp_path):
    for name in (f"sqlite:{tmp_path}/missing/turns.db", "redis://127.0.0.1:1/0?password=sesame"):
        registry = registry_over(settings(store=name))
        before = time.monotonic()
        with pytest.raises(StoreError) as refused:
            await start(registry)
        await registry.close()

        assert (refused.value.code, refused.value.status) == ("1234", 503)
        assert "sesame" not in refused.value.message
        assert time.monotonic() - before < 20


@needs_redis
async def test_by_configuration_a_turn_begins_without_the_store(tmp_path):
    for name in (f"sqlite:{tmp_path}/missing/turns.db", "redis://127.0.0.1:1/0"):
        registry = registry_over(settings(store=name, store_failure="go-on"))
        turn = await start(registry)

        assert not turn.is_durable
        assert (await read(turn))[0] == SCRIPT
        with pytest.raises(StoreError):  # nobody could say later what has become of it
            await start(registry, resumable=False, detached=True)
        await registry.close()


def registry_over(chosen):
    engine = ContinuingEngine(SCRIPT)
    return TurnRegistry(
        open_store(chosen), lambda request: (engine, Generation(f"q{ASSISTANT}", request)), chosen
    )


@pytest.mark.parametrize("name", ["", "redis", "sqlite:", "postgres://x"])
def test_a_store_that_is_none_is_refused_by_name(name):
    with pytest.raises(HeadraceError, match=f'store: "{name}" is none of'):
        open_store(settings(store=name))


def test_an_address_that_is_none_is_refused_with_its_reason():
    with pytest.raises(HeadraceError, match='store: "redis://localhost:abc/0" is no address of a Redis'):
        open_store(settings(store="redis://localhost:abc/0"))


async def test_a_file_that_is_no_database_is_a_clear_error(tmp_path):
    (tmp_path / "turns.db").write_bytes(b"no database, but long enough to look at" * 100)
    store = SqliteStore(tmp_path / "turns.db")
    with pytest.raises(StoreError, match=r"turns\.db cannot be used: file is not a database"):
        await store.create(header(), b"")
    await store.close()


# --- what is particular to Redis -----------------------------------------------------------------------


@pytest.fixture
async def redis(tmp_path):
    if not is_installed():
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path, "--appendonly", "yes", "--appendfsync", "always")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis_store(redis):
    from headrace.turns.redis import RedisStore

    store = RedisStore(redis.url, patience=0.5)
    yield store
    await store.close()


async def test_what_was_saved_survives_a_crash_of_redis(redis, redis_store):
    await redis_store.create(header(), b"body")
    for position in range(50):
        assert await append(redis_store, "t1", (1, position), [Text(str(position))]) is None
    redis.kill()
    redis.start()
    stored = await redis_store.load("t1")

    assert [event.text for event in stored.tail.events] == [str(position) for position in range(50)]
    assert await append(redis_store, "t1", (1, 50), [Text("on")]) is None


async def test_a_redis_that_lost_the_last_events_gets_them_again(redis_store):
    """With `appendfsync everysec` a crash of Redis costs a second of what it said it had."""
    engine = ContinuingEngine(SCRIPT, delay=0.02)  # each event is an entry
    engine.pause_after(6)
    registry = TurnRegistry(
        redis_store, lambda request: (engine, Generation(f"q{ASSISTANT}", request)), settings()
    )
    turn = await start(registry)
    await until(lambda: turn.log.shown == 6)
    log = f"headrace:log:{turn.id}"
    entries = await redis_store._redis.xrange(log)
    await redis_store._redis.delete(log)
    for id, fields in entries[:4]:  # the beginning, and three events
        await redis_store._redis.xadd(log, fields, id=id)
    assert isinstance(await append(redis_store, turn.id, (1, 6), [Text("x")]), Behind)
    engine.go_on()

    assert (await read(turn))[0] == SCRIPT
    assert (await read(await registry.find(turn.id, "me")))[0] == SCRIPT
    await registry.close()


async def test_a_turn_whose_creation_is_asked_for_again_is_made_once(redis_store):
    """As redis-py does by itself when a connection is lost with the reply."""
    for _ in range(2):
        assert await redis_store.create(header(request_id="r"), b"body") == "t1"
    await append(redis_store, "t1", (1, 0), [Text("a")])

    assert await redis_store.create(header(request_id="r"), b"body") == "t1"
    assert (await redis_store.load("t1")).tail.events == [Text("a")]


async def test_a_redis_without_memory_is_a_store_that_fails_until_it_has_some(redis_store):
    await redis_store.create(header(), b"")
    await redis_store._redis.config_set("maxmemory", 1)
    outcome = await append(redis_store, "t1", (1, 0), [Text("a")])
    assert isinstance(outcome, StoreError)
    assert "maxmemory" in outcome.message
    with pytest.raises(StoreError, match="maxmemory"):
        await redis_store.create(header("t2"), b"")
    await redis_store._redis.config_set("maxmemory", 0)

    assert await append(redis_store, "t1", (1, 0), [Text("a")]) is None


async def test_a_redis_that_is_full_evicts_logs_and_remembers_turns(redis_store):
    redis = redis_store._redis
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", used + 3_000_000)
    await redis.config_set("maxmemory-policy", "volatile-ttl")
    await redis.config_set("maxmemory-samples", 64)
    for number in range(20):
        await redis_store.create(header(f"t{number}"), b"")
        assert await append(redis_store, f"t{number}", (1, 0), [Text("x" * 500_000), Finish("stop")]) is None
    stored = [await redis_store.load(f"t{number}") for number in range(20)]

    assert all(turn is not None for turn in stored)
    assert stored[0].gone
    assert not stored[19].gone


async def test_redis_itself_refuses_what_comes_late_from_a_producer_that_was_taken_over(redis_store):
    """Whatever a lost connection still holds: an id below the last one is never accepted."""
    from redis.exceptions import ResponseError

    await redis_store.create(header(), b"")
    await append(redis_store, "t1", (1, 0), [Text("a")])
    await redis_store.take_over("t1", 2)
    with pytest.raises(ResponseError, match="equal or smaller"):
        await redis_store._redis.xadd("headrace:log:t1", {"events": b'[["x","late"]]'}, id="1-2")

    assert isinstance(await append(redis_store, "t1", (1, 1), [Text("late")]), Fenced)


async def test_a_log_that_vanished_from_redis_is_gone_for_writer_and_follower(redis_store):
    await redis_store.create(header(), b"")
    await redis_store._redis.delete("headrace:log:t1")

    assert isinstance(await append(redis_store, "t1", (1, 0), [Text("a")]), GoneError)
    with pytest.raises(GoneError):
        await redis_store.follow("t1", Cursor(1, 0), 0.05)


# --- what is particular to files ------------------------------------------------------------------------


async def test_a_full_file_evicts_the_oldest_that_have_ended(tmp_path):
    store = SqliteStore(tmp_path / "turns.db", size=1_000_000)
    for number in range(20):
        await store.create(header(f"t{number}"), b"")
        events = [Text("x" * 100_000)] if number < 2 else [Text("x" * 100_000), Finish("stop")]
        assert await append(store, f"t{number}", (1, 0), events) is None
    await store.beat()
    gone = [bool((await store.load(f"t{number}")).gone) for number in range(20)]
    await store.close()

    assert gone == [False] * 2 + [True] * 11 + [False] * 7  # those that run stay


async def test_full_memory_evicts_the_oldest_that_have_ended():
    from headrace.turns.memory import MemoryStore

    store = MemoryStore(size=1_000_000)
    for number in range(20):
        await store.create(header(f"t{number}"), b"")
        events = [Text("x" * 100_000)] if number < 2 else [Text("x" * 100_000), Finish("stop")]
        assert await append(store, f"t{number}", (1, 0), events) is None
    gone = [bool((await store.load(f"t{number}")).gone) for number in range(20)]

    assert gone == [False] * 2 + [True] * 9 + [False] * 9


async def test_processes_that_open_a_new_file_at_once_all_can_use_it(tmp_path):
    stores = [SqliteStore(tmp_path / "turns.db") for _ in range(8)]
    await asyncio.gather(*(store.create(header(f"t{number}"), b"") for number, store in enumerate(stores)))
    found = [await stores[0].load(f"t{number}") is not None for number in range(8)]
    for store in stores:
        await store.close()

    assert found == [True] * 8
