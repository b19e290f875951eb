"""The three stores, for tests that hold for each of them."""

import asyncio

import pytest

from headrace.events import Progress
from headrace.turns.memory import MemoryStore
from headrace.turns.settings import TurnSettings
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import Append, Cursor, TurnHeader
from redis_server import RedisServer, is_installed

__all__ = ["append", "evict", "header", "open_stores", "redis_server", "store_kind", "store_name"]

KINDS = ["memory", "sqlite", "redis"]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """A Redis with an append-only file that is written before it answers; skips where there is none."""
    if not is_installed():
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path_factory.mktemp("redis"), "--appendonly", "yes", "--appendfsync", "always")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=KINDS)
def store_kind(request):
    if request.param == "redis" and not is_installed():
        pytest.skip("redis-server is not installed")
    return request.param


@pytest.fixture
def store_name(store_kind, tmp_path, request):
    """The store as an operator names it; empty."""
    if store_kind != "redis":
        return {"memory": "memory", "sqlite": f"sqlite:{tmp_path}/turns.db"}[store_kind]
    from redis import Redis

    server = request.getfixturevalue("redis_server")
    with Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture
async def open_stores(store_kind, store_name):
    """Opens a store over the same turns, as often as it is called: each is another process's."""
    opened = []

    def open_one(**limits):
        if store_kind == "memory":
            limits.pop("patience", None)
            store = MemoryStore(**limits, beside=opened[0] if opened else None)
        elif store_kind == "sqlite":
            store = SqliteStore(store_name.partition(":")[2], **limits)
        else:
            from headrace.turns.redis import RedisStore

            limits.pop("size", None)
            store = RedisStore(store_name, **limits)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


def header(id="t1", **fields):
    return TurnHeader(id=id, owner=fields.pop("owner", "me"), created=fields.pop("created", 1), **fields)


async def append(store, id, after, events):
    """Save; the outcome."""
    outcome = asyncio.get_running_loop().create_future()
    size = sum(not isinstance(event, Progress) for event in events)
    end = Cursor(after[0], after[1] + size)
    store.append(Append(id, Cursor(*after), end, events, outcome.set_result))
    return await asyncio.wait_for(outcome, 20)


async def evict(store, id):
    """As age or lack of room would."""
    if hasattr(store, "_redis"):
        await store._redis.delete(f"headrace:log:{id}")
        return
    holder = getattr(store, "_file", store)
    holder._retention, kept = -1.0, holder._retention
    await store.beat()
    holder._retention = kept


def settings(**fields):
    return TurnSettings(**{"lease": 2.0, "linger": 20.0, "store_patience": 2.0, **fields})
