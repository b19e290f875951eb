"""From what an operator wrote to a store."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from headrace.errors import RequestError
from headrace.extras import needs_extra
from headrace.turns.memory import MemoryStore
from headrace.turns.settings import TurnSettings, without_secrets
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import StoreError, TurnStore

__all__ = ["check_store", "open_store"]

_CHECK: Final = 1.0  # seconds


def open_store(settings: TurnSettings) -> TurnStore:
    """The store that the settings name. Nothing is connected to yet.

    Raises:
        RequestError: the settings name no store.
        EngineError: what is needed for it is not installed.
    """
    kind, _, where = settings.store.partition(":")
    name = without_secrets(settings.store)
    retention, tombstone_ttl, lease = settings.retention, settings.tombstone_ttl, settings.lease
    size, patience = settings.store_size, settings.store_retry_timeout
    if settings.store == "memory":
        return MemoryStore(size=size, retention=retention, tombstone_ttl=tombstone_ttl, lease=lease)
    if kind == "sqlite" and where:
        return SqliteStore(
            Path(where),
            size=size,
            retention=retention,
            tombstone_ttl=tombstone_ttl,
            lease=lease,
            patience=patience,
        )
    if kind in ("redis", "rediss", "unix") and where.startswith("//"):
        with needs_extra("redis"):
            from headrace.turns.redis import RedisStore
        try:
            return RedisStore(
                settings.store,
                retention=retention,
                tombstone_ttl=tombstone_ttl,
                lease=lease,
                patience=patience,
            )
        except ValueError as error:
            msg = f'store: "{name}" is no address of a Redis: {error}'
            raise RequestError(msg) from None
    msg = f'store: "{name}" is none of memory, sqlite:FILE, redis://HOST:PORT/DB, unix://SOCKET'
    raise RequestError(msg)


def check_store(settings: TurnSettings) -> str:
    """Why the store cannot be used now; "" if it can. Blocks, for about a second at most.

    Raises:
        HeadraceError: as `open_store`.
    """
    return asyncio.run(_check(open_store(settings), settings))


async def _check(store: TurnStore, settings: TurnSettings) -> str:
    try:
        async with asyncio.timeout(_CHECK):
            await store.beat()
    except StoreError as error:
        return error.message
    except TimeoutError:
        return f"the turn store {without_secrets(settings.store)} does not answer within {_CHECK:g} s"
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CHECK / 10):
                await store.close()
    return ""
