"""A turn store that is deleted, replaced or damaged while the server uses it: reported, and answered as documented."""

import asyncio
import shutil
import sqlite3
from contextlib import closing

import pytest

from continuing_engine import ContinuingEngine
from headrace.errors import RequestError
from headrace.events import Finish, Text, TokenUsage
from headrace.turns import TurnRegistry, open_store
from headrace.turns.entries import encode_events
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import DAMAGED, Cursor, GoneError, StoreError
from plans import planner
from processes import BODY, SCRIPT, read, start
from turn_stores import append, header, needs_redis, redis_server, settings
from waiting import until_async

__all__ = ["redis_server"]

WHOLE = (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@pytest.fixture
async def opened(tmp_path):
    """A registry over a SQLite file, its engine, and a turn that has ended."""
    chosen = settings(store=f"sqlite:{tmp_path}/store/turns.db", lease=0.3, store_retry_timeout=0.3)
    (tmp_path / "store").mkdir()
    engine = ContinuingEngine(SCRIPT, delay=0.02)
    registry = TurnRegistry(open_store(chosen), planner(engine), chosen)
    turn = await start(registry)
    await read(turn)
    yield registry, engine, turn
    await registry.close()


def delete(path):
    path.unlink()


def delete_all(path):
    for each in path.parent.iterdir():
        each.unlink()


def delete_log(path):
    path.with_name(f"{path.name}-wal").unlink()


NAMED = BODY.replace(b"{", b'{"request_id":"my-request",', 1)


@pytest.mark.parametrize("damage", [delete, delete_all, delete_log])
async def test_a_file_that_is_deleted_is_reported_once_and_a_new_one_is_used(
    opened, tmp_path, caplog, damage
):
    registry, engine, ended = opened
    engine.pause_after(6)
    running = await start(registry)
    await until_async(lambda: running.log.published == 6)
    damage(tmp_path / "store" / "turns.db")
    engine.go_on()
    text, ending = await read(running)
    again = await start(registry)
    await read(again)
    reports = [record.message for record in caplog.records if "deleted or replaced" in record.message]

    assert len(reports) == 1
    assert "turns.db" in reports[0]
    if damage is delete_log:  # its contents were still open
        assert (text, ending) == WHOLE
        assert await read(await registry.find(ended.id, "me")) == WHOLE
    else:
        assert SCRIPT.startswith(text)
        assert ending.reason == "network_error"
        with pytest.raises(RequestError) as unknown:
            await registry.find(ended.id, "me")
        assert unknown.value.status == 404
    other = SqliteStore(settings(store=f"sqlite:{tmp_path}/store/turns.db"))
    assert (await other.load(again.id)).tail.cursor.position == len(SCRIPT) // 2 + 1
    await other.close()


async def test_a_directory_that_is_deleted_is_an_outage_until_it_is_back(opened, tmp_path, caplog):
    registry, _, _ = opened
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(StoreError):
        await start(registry)
    await until_async(lambda: "unable to open" in caplog.text)
    (tmp_path / "store").mkdir()

    assert await read(await start(registry)) == WHOLE


@pytest.mark.parametrize("damage", ["junk", "truncated", "another database"])
async def test_a_file_that_is_overwritten_is_an_outage_until_it_is_deleted(tmp_path, damage):
    path = tmp_path / "turns.db"
    store = SqliteStore(settings(store=f"sqlite:{path}", store_retry_timeout=0.1))
    for number in range(100):
        await store.create(header(f"t{number}"), b"x" * 100_000)
    size = path.stat().st_size
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:  # in place
        if damage == "junk":
            file.write(b"junk" * (size // 4))
        elif damage == "truncated":
            file.truncate(size // 2)
        else:
            with closing(sqlite3.connect(tmp_path / "other")) as other:
                other.execute("CREATE TABLE turn (x)")
            file.write((tmp_path / "other").read_bytes())
            file.truncate()
    with pytest.raises(StoreError, match=r"turns\.db is unavailable") as outage:
        for number in range(100):
            await store.load(f"t{number}")
    path.unlink()

    assert (outage.value.status, outage.value.code) == (503, "1234")
    assert str(path) not in outage.value.public
    assert await store.create(header("new"), b"") == "new"
    assert (await store.load("new")).header.id == "new"
    await store.close()


DAMAGED_ROWS = {
    "a fence of another type": ("fence", "x"),
    "a producer that is no text": ("producer", b"\xff"),
    "a reason for its eviction that is no text": ("gone", b"\xff"),
    "a position of another type": ("position", "x"),
    "a header that is no JSON": ("header", b"\xff"),
    "a header of another type": ("header", 7),
    "a header without its fields": ("header", b"{}"),
    "a body that is no JSON": ("body", b"\xff"),
    "a body of another type": ("body", 7),
    "events that are no JSON": ("events", b"\xff"),
    "events of another type": ("events", 7),
    "events of an unknown kind": ("events", b'[["?"]]'),
}


@pytest.mark.parametrize(("column", "value"), DAMAGED_ROWS.values(), ids=DAMAGED_ROWS)
async def test_a_turn_that_is_damaged_is_gone_and_its_request_id_is_free(
    opened, tmp_path, caplog, column, value
):
    registry, _, _ = opened
    turn = await start(registry, NAMED)
    await read(turn)
    where = {
        "events": "entry SET events = ? WHERE turn",
        "position": "entry SET position = position || ? WHERE turn",  # they are unique
    }.get(column, f"turn SET {column} = ? WHERE id")
    with closing(sqlite3.connect(tmp_path / "store" / "turns.db", isolation_level=None)) as other:
        other.execute(f"UPDATE {where} = ?", (value, turn.id))
    for _ in range(2):
        with pytest.raises(RequestError) as lost:
            await registry.find(turn.id, "me")

    is_owner_known = column != "header"
    assert lost.value.status == (410 if is_owner_known else 404)
    assert (DAMAGED if is_owner_known else "there is no turn") in lost.value.message
    assert [record.turn for record in caplog.records if "damaged a turn" in record.message] == [turn.id]
    again = await start(registry, NAMED)
    assert again.id != turn.id
    assert await read(again) == WHOLE


async def test_one_damaged_log_does_not_disturb_those_who_follow_others(tmp_path):
    chosen = settings(store=f"sqlite:{tmp_path}/turns.db")
    producer, follower = SqliteStore(chosen), SqliteStore(chosen)
    for id in ("good", "bad"):
        await producer.create(header(id), b"")
        await append(producer, id, (1, 0), [Text("a")])
    with closing(sqlite3.connect(tmp_path / "turns.db", isolation_level=None)) as other:
        other.execute("UPDATE entry SET events = 'x' WHERE turn = 'bad'")
    with pytest.raises(GoneError, match=DAMAGED):
        await follower.follow("bad", Cursor(1, 0), 5)

    assert (await follower.follow("good", Cursor(1, 0), 5)).events == [Text("a")]
    for store in (producer, follower):
        await store.close()


# --- Redis ----------------------------------------------------------------------------------------------


@pytest.fixture
async def redis(redis_server):
    """A store in Redis, and a connection of another program."""
    from redis.asyncio import Redis

    store = open_store(settings(store=redis_server.url, store_retry_timeout=0.3))
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
        yield store, client
    await store.close()


@needs_redis
@pytest.mark.parametrize("header_of_turn", [b"\xff", b"{}", b"7"])
async def test_a_turn_in_redis_with_a_damaged_header_does_not_exist(redis, header_of_turn):
    store, client = redis
    await store.create(header(), b"")
    await client.set("headrace:turn:t1", header_of_turn)

    assert await store.load("t1") is None


@needs_redis
@pytest.mark.parametrize("fields", [{"events": "x"}, {"events": '[["?"]]'}, {"odd": "x"}])
async def test_a_log_in_redis_with_a_damaged_entry_is_gone(redis, fields):
    store, client = redis
    for id in ("bad", "good"):
        await store.create(header(id), b"")
    await client.xadd("headrace:log:bad", fields, id="1-1")
    await append(store, "good", (1, 0), [Text("a")])

    assert (await store.load("bad")).evicted == DAMAGED
    for wait in (0, 5):
        with pytest.raises(GoneError, match=DAMAGED):
            await store.follow("bad", Cursor(1, 0), wait)
    assert (await store.follow("good", Cursor(1, 0), 5)).events == [Text("a")]


@needs_redis
async def test_a_log_in_redis_that_is_replaced_by_another_type_is_gone_and_the_others_are_not(redis, caplog):
    store, client = redis
    ids = ("good", "bad", "other")
    for id in ids:
        await store.create(header(id), b"")
    following = [asyncio.create_task(store.follow(id, Cursor(1, 0), 5)) for id in ids]
    await asyncio.sleep(0.05)  # while all are part of one query
    await client.delete("headrace:log:bad")
    await client.hset("headrace:log:bad", "a", "b")

    assert isinstance(await append(store, "bad", (1, 0), [Text("a")]), GoneError)
    for id in ("good", "other"):
        assert await append(store, id, (1, 0), [Text(id)]) is None
    good, bad, other = await asyncio.gather(*following, return_exceptions=True)
    assert (good.events, other.events) == ([Text("good")], [Text("other")])
    assert DAMAGED in bad.message
    assert (await store.load("bad")).evicted == DAMAGED
    for call in (store.follow("bad", Cursor(1, 0), 0), store.take_over("bad", 2)):
        with pytest.raises(GoneError, match=DAMAGED):
            await call
    reports = [record.message for record in caplog.records if getattr(record, "turn", "") == "bad"]
    assert len(reports) == len(set(reports))  # each only once


@needs_redis
async def test_a_header_in_redis_that_is_replaced_by_another_type_does_not_exist(redis):
    store, client = redis
    await store.create(header(), b"")
    await client.delete("headrace:turn:t1")
    await client.hset("headrace:turn:t1", "a", "b")

    assert await store.load("t1") is None


@needs_redis
async def test_other_keys_in_redis_that_are_replaced_by_another_type_are_an_outage(redis):
    store, client = redis
    for key in ("headrace:request:me:r", f"headrace:process:{store.process}"):
        await client.hset(key, "a", "b")
    for call in (store.create(header(request_id="r"), b""), store.liveness(store.process)):
        with pytest.raises(StoreError, match="unavailable"):
            await call


@needs_redis
async def test_a_log_in_redis_that_lost_entries_is_gone_and_the_others_are_written(redis):
    """A deleted entry is no crash: Redis still knows its id, and accepts no smaller one."""
    store, client = redis
    for id in ("bad", "good"):
        await store.create(header(id), b"")
        assert await append(store, id, (1, 0), [Text("a")]) is None
    await client.xdel("headrace:log:bad", "1-1")
    bad, good = await asyncio.gather(
        append(store, "bad", (1, 0), [Text("a")]), append(store, "good", (1, 1), [Text("b")])
    )

    assert isinstance(bad, GoneError)
    assert good is None


@needs_redis
async def test_events_that_are_missing_between_two_entries_are_damage_and_no_gap(redis, redis_server):
    """For those who read the turn from now on, and for those who follow it."""
    _, client = redis
    chosen = settings(store=redis_server.url, lease=0.5, store_retry_timeout=0.3)
    engine = ContinuingEngine(SCRIPT, delay=0.002)  # each event is an entry
    engine.pause_after(5)
    here, there, third = (TurnRegistry(open_store(chosen), planner(engine), chosen) for _ in range(3))
    try:
        turn = await start(here)
        await until_async(lambda: turn.log.published == 5)
        away = await there.find(turn.id, "me")
        reading = asyncio.create_task(read(away))
        log = f"headrace:log:{turn.id}"
        async with client.pipeline(transaction=True) as transaction:
            for number in (6, 7):
                transaction.xadd(log, {"events": encode_events([Text("x")])}, id=f"1-{number}")
            transaction.xdel(log, "1-6")
            await transaction.execute()
        text, ending = await reading

        assert (text, ending.reason) == (SCRIPT[:10], "network_error")
        assert DAMAGED in ending.error
        with pytest.raises(GoneError, match=DAMAGED):
            await third.find(turn.id, "me")
    finally:
        for registry in (here, there, third):
            await registry.close()


@needs_redis
async def test_an_unexpected_error_of_the_client_library_is_an_outage_that_ends(redis, monkeypatch):
    from redis.asyncio.connection import Connection

    store, _ = redis
    await store.create(header(), b"")
    send, failures = Connection.send_packed_command, iter(range(3))

    async def fail(self, *arguments, **options):
        if next(failures, None) is not None:
            raise RuntimeError("unable to perform operation on <TCPTransport closed=True>")
        return await send(self, *arguments, **options)

    monkeypatch.setattr(Connection, "send_packed_command", fail)
    with pytest.raises(StoreError, match="unable to perform operation"):
        await store.load("t1")

    assert await append(store, "t1", (1, 0), [Text("a")]) is None
