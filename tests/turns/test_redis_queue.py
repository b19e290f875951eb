"""Requests to Redis share a connection: any number may arrive at once."""

import asyncio

import pytest

from headrace.turns import open_store
from headrace.turns.store import GoneError
from turn_stores import header, needs_redis, redis_server, settings

__all__ = ["redis_server"]

pytestmark = needs_redis


@pytest.fixture
async def redis(redis_server):
    """A store in Redis, and a connection of another program."""
    from redis.asyncio import Redis

    store = open_store(settings(store=redis_server.url, lease=60.0))
    async with Redis.from_url(redis_server.url) as client:
        await client.flushall()
        yield store, client
    await store.close()


async def test_any_number_of_requests_at_once_takes_a_handful_of_connections(redis):
    store, client = redis
    ids = [f"t{number}" for number in range(300)]
    await asyncio.gather(*(store.create(header(id), b"body") for id in ids))
    loaded = await asyncio.gather(*(store.load(id) for id in ids))
    await asyncio.gather(*(store.touch_reader(id) for id in ids), *(store.reader_age(id) for id in ids))
    await asyncio.gather(*(store.take_over(id, 2) for id in ids))
    clients = (await client.info("clients"))["connected_clients"]

    assert [turn.header.id for turn in loaded] == ids
    assert clients <= 6


async def test_an_error_is_that_of_its_own_request(redis):
    store, _ = redis
    await store.create(header("t1"), b"")
    results = await asyncio.gather(
        store.take_over("t1", 2), store.take_over("t9", 2), store.load("t9"), return_exceptions=True
    )

    assert results[0] is True
    assert isinstance(results[1], GoneError)
    assert results[2] is None
