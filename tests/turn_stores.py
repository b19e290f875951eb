"""Fixtures for the turn stores; tests are parametrised from the registry, `headrace.turns.STORES`."""

import asyncio

import pytest

from headrace.events import Progress
from headrace.turns import STORES, TurnSettings, open_store
from headrace.turns.memory import MemoryStore
from headrace.turns.store import Append, Cursor, TurnHeader
from redis_server import is_installed
from store_backends import BACKENDS

__all__ = [
    "SHARED",
    "append",
    "header",
    "memory",
    "needs_redis",
    "open_stores",
    "redis_server",
    "settings",
    "shared",
    "store_kind",
    "store_name",
]

SHARED = [name for name, kind in STORES.items() if kind.is_shared]
needs_redis = pytest.mark.skipif(not is_installed(), reason="no Redis or Valkey server is installed")
shared = pytest.mark.parametrize("store_kind", SHARED, indirect=True)
memory = pytest.mark.parametrize("store_kind", ["memory"], indirect=True)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    server = BACKENDS["redis"](tmp_path_factory.mktemp("redis")).server
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=STORES)
def store_kind(request):
    if request.param == "redis" and not is_installed():
        pytest.skip("no Redis or Valkey server is installed")
    return request.param


@pytest.fixture
def store_name(store_kind, tmp_path, request):
    """The address of an empty store."""
    if store_kind != "redis":
        return BACKENDS[store_kind](tmp_path).address
    from redis import Redis

    server = request.getfixturevalue("redis_server")  # started only once
    with Redis.from_url(server.url) as client:
        client.flushall()
    return server.url


@pytest.fixture
async def open_stores(store_kind, store_name):
    """Opens stores over the same turns; each call is another process's."""
    opened = []

    def open_one(**limits):
        chosen = TurnSettings(store=store_name, **limits)
        if opened and not STORES[store_kind].is_shared:
            store = MemoryStore(chosen, beside=opened[0])
        else:
            store = open_store(chosen)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        await store.close()


def header(id="t1", **fields):
    return TurnHeader(id=id, owner=fields.pop("owner", "me"), created=fields.pop("created", 1), **fields)


async def append(store, id, after, events):
    """Append events and return the result."""
    result = asyncio.get_running_loop().create_future()
    size = sum(not isinstance(event, Progress) for event in events)
    end = Cursor(after[0], after[1] + size)
    store.append(Append(id, Cursor(*after), end, events, result.set_result))
    return await asyncio.wait_for(result, 20)


def settings(**fields):
    return TurnSettings(**{"lease": 2.0, "linger": 20.0, "store_retry_timeout": 2.0, **fields})
