"""The connections to Redis: their number does not depend on that of the turns, and none waits for ever."""

import asyncio
import os
import signal

import pytest

from headrace.events import Text
from headrace.turns import open_store, redis_client
from headrace.turns import redis as redis_module
from headrace.turns.store import Cursor, StoreError
from redis_server import RedisServer
from turn_stores import append, header, needs_redis, settings

pytestmark = needs_redis

TURNS = 300


@pytest.fixture
def server(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


async def test_three_hundred_followed_turns_share_a_few_connections_and_delay_no_append(server):
    from redis.asyncio import Redis

    here, there = (open_store(settings(store=server.url)) for _ in range(2))
    ids = [f"t{number}" for number in range(TURNS)]
    await asyncio.gather(*(here.create(header(id), b"") for id in ids))
    following = [asyncio.create_task(there.follow(id, Cursor(1, 0), 20)) for id in ids]
    async with Redis.from_url(server.url) as client:
        while not any(each["cmd"] == "xread" for each in await client.client_list()):
            await asyncio.sleep(0.01)
        before = len(await client.client_list())
        results = await asyncio.gather(*(append(here, id, (1, 0), [Text("a")]) for id in ids))
        after = len(await client.client_list())
    tails = await asyncio.gather(*following)
    await here.close()
    await there.close()

    assert results == [None] * TURNS
    assert [tail.events for tail in tails] == [[Text("a")]] * TURNS
    assert max(before, after) <= 8  # of two processes, and that of this test


async def test_a_read_that_waits_for_events_delays_no_write(server, monkeypatch):
    """An append on its connection would never be done, because it waits until there are events."""
    from redis.asyncio import Redis

    monkeypatch.setattr(redis_client, "_TIMEOUT", 3600.0)
    for limit in ("_SHORT", "_LONG"):
        monkeypatch.setattr(redis_module, limit, 0)  # without an end
    store = open_store(settings(store=server.url))
    ids = [f"t{number}" for number in range(50)]
    for id in ("followed", *ids):
        await store.create(header(id), b"")
    following = asyncio.create_task(store.follow("followed", Cursor(1, 0), 3600.0))
    async with Redis.from_url(server.url) as client:
        while not (reading := await blocked(client)):
            await asyncio.sleep(0.01)
        for position in range(3):
            results = [append(store, id, (1, position), [Text("a")]) for id in ids]
            assert await asyncio.gather(*results) == [None] * len(ids)
        assert await blocked(client) == reading
    assert await append(store, "followed", (1, 0), [Text("a")]) is None
    assert (await following).events == [Text("a")]
    await store.close()


async def blocked(client):
    """The ids of the connections on which a command waits."""
    return {each["id"] for each in await client.client_list() if "b" in each["flags"]}


async def test_a_read_that_waits_for_events_ends_although_redis_does_not_respond(server, monkeypatch):
    monkeypatch.setattr(redis_client, "_TIMEOUT", 0.5)
    monkeypatch.setattr(redis_module, "_LONG", 100)
    store = open_store(settings(store=server.url))
    await store.create(header(), b"")
    os.kill(server._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(StoreError):
            await asyncio.wait_for(store.follow("t1", Cursor(1, 0), 3600.0), 20)
    finally:
        os.kill(server._process.pid, signal.SIGCONT)
        await store.close()
