"""From what an operator wrote to a store."""

from pathlib import Path

from headrace.errors import EngineError, RequestError
from headrace.turns.memory import MemoryStore
from headrace.turns.settings import TurnSettings, without_secrets
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import TurnStore

__all__ = ["open_store"]


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
        try:
            from headrace.turns.redis import RedisStore
        except ImportError as error:
            msg = f"the turn store needs redis-py ({error}); pip install 'headrace[redis]'"
            raise EngineError(msg) from None
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
