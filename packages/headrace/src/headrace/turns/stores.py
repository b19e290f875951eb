"""The registry of turn stores. `open_store`, its errors, the docs and the tests are derived from it."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from headrace.errors import RequestError
from headrace.foreign_errors import needs_extra
from headrace.turns.memory import MemoryStore
from headrace.turns.settings import TurnSettings, without_secrets
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import StoreError, TurnStore

__all__ = ["STORES", "STORE_ADDRESSES", "StoreKind", "check_store", "open_store"]

_CHECK_TIMEOUT: Final = 1.0  # seconds


class StoreKind(NamedTuple):
    """An implementation of `TurnStore`.

    Args:
        addresses: the forms of its address: each prefix, and a placeholder for the rest; "" if there is none.
        open: opens the store that the settings name; raises `ValueError` for a malformed address.
        is_shared: whether several processes can share it.
        survives: what its turns survive, for the documentation.
    """

    addresses: Mapping[str, str]
    open: Callable[[TurnSettings], TurnStore]
    is_shared: bool
    survives: str

    def matches(self, address: str) -> bool:
        """Return whether an address has one of the forms."""
        return any(
            address.startswith(prefix) and bool(address[len(prefix) :]) == bool(rest)
            for prefix, rest in self.addresses.items()
        )


def _open_redis(settings: TurnSettings) -> TurnStore:
    with needs_extra("redis"):
        from headrace.turns.redis import RedisStore
    return RedisStore(settings)


STORES: Final[Mapping[str, StoreKind]] = {
    "memory": StoreKind(
        {"memory": ""},
        MemoryStore,
        is_shared=False,
        survives="a disconnect of the client",
    ),
    "sqlite": StoreKind(
        {"sqlite:": "FILE"},
        SqliteStore,
        is_shared=True,
        survives="a restart of the server as well; several processes on one machine can share the file",
    ),
    "redis": StoreKind(
        {"redis://": "HOST:PORT/DB", "rediss://": "HOST:PORT/DB", "unix://": "SOCKET"},
        _open_redis,
        is_shared=True,
        survives="the loss of a server: any other server that shares the Redis or Valkey continues its turns",
    ),
}

STORE_ADDRESSES: Final = ", ".join(
    prefix + rest for kind in STORES.values() for prefix, rest in kind.addresses.items()
)
"""The valid values of `store`, for help texts and errors."""


def open_store(settings: TurnSettings) -> TurnStore:
    """Open the store that the settings name. Does not connect yet.

    Raises:
        RequestError: the address is invalid.
        EngineError: a required package is not installed.
    """
    address = without_secrets(settings.store)
    for kind in STORES.values():
        if kind.matches(settings.store):
            try:
                return kind.open(settings)
            except ValueError as error:
                msg = f'store: "{address}" is not a valid address: {error}'
                raise RequestError(msg) from None
    msg = f'store: "{address}" is not one of {STORE_ADDRESSES}'
    raise RequestError(msg)


def check_store(settings: TurnSettings) -> str:
    """Return why the store is unavailable; "" if it is available. Blocks for about a second at most.

    Raises:
        HeadraceError: as `open_store`.
    """
    return asyncio.run(_check(open_store(settings), settings))


async def _check(store: TurnStore, settings: TurnSettings) -> str:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            await store.heartbeat()
    except StoreError as error:
        return error.message
    except TimeoutError:
        address = without_secrets(settings.store)
        return f"the turn store {address} is unavailable: no response within {_CHECK_TIMEOUT:g} s"
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CHECK_TIMEOUT / 10):
                await store.close()
    return ""
