"""The registry of turn stores. `open_store`, its errors, the docs and the tests are derived from it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Final, NamedTuple, TypeVar

import msgspec

from headrace.foreign_errors import needs_extra
from headrace.options import OptionError
from headrace.turns.addresses import addresses_of, database_name, without_secrets
from headrace.turns.memory import MemoryStore
from headrace.turns.settings import TurnSettings
from headrace.turns.shard import Shard
from headrace.turns.shards import Shards
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import Liveness, StoreError, TurnStore, UnusableStoreError

__all__ = [
    "STORES",
    "STORE_ADDRESSES",
    "StoreKind",
    "check_store",
    "open_by_kind",
    "open_shards",
    "open_store",
]

T = TypeVar("T")

_CHECK_TIMEOUT: Final = 1.0  # seconds


class StoreKind(NamedTuple):
    """An implementation of `TurnStore`.

    Args:
        addresses: the forms of its address: each prefix, and a placeholder for the rest; "" if there is none.
        open: opens the store that the settings name; raises `ValueError` for a malformed address.
        is_shared: whether several processes can share it.
        survives: what its turns survive, for the documentation.
        shard_name: returns the name of a shard from its address; None if it cannot have a part of the turns.
    """

    addresses: Mapping[str, str]
    open: Callable[[TurnSettings], TurnStore]
    is_shared: bool
    survives: str
    shard_name: Callable[[str], str] | None = None

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
        shard_name=database_name,
    ),
}

STORE_ADDRESSES: Final = ", ".join(
    prefix + rest for kind in STORES.values() for prefix, rest in kind.addresses.items()
)
"""The valid values of `store`, for help texts and errors."""

_TURN_STORES: Final[Mapping[str, Callable[[TurnSettings], TurnStore]]] = {
    name: kind.open for name, kind in STORES.items()
}


def open_shards(settings: TurnSettings) -> Shards:
    """Open all stores that the settings name. Does not connect yet.

    Raises:
        RequestError: an address is invalid or occurs twice, or such a store cannot have a part of the turns.
        EngineError: a required package is not installed.
    """
    shards: dict[str, Shard] = {}
    named = [("store", address) for address in addresses_of(settings.store) or [""]]
    named += [("closed_store", address) for address in addresses_of(settings.closed_store)]
    for option, address in named:
        name = without_secrets(address)
        store = _open(option, address, settings, _TURN_STORES)
        if shard_name := STORES[kind_of(address)].shard_name:
            name = shard_name(address)
        elif len(named) > 1:
            raise OptionError(option, f'"{name}" cannot have a part of the turns; a Redis or Valkey can')
        if name in shards:
            raise OptionError(option, f'"{name}" occurs twice')
        shards[name] = Shard(store, name, takes_new=option == "store")
    return Shards([*shards.values()])


def open_store(settings: TurnSettings) -> TurnStore:
    """Open the first store that the settings name; as `open_shards`."""
    return open_by_kind(settings, _TURN_STORES)


def open_by_kind(settings: TurnSettings, openers: Mapping[str, Callable[[TurnSettings], T]]) -> T:
    """Open the first store that the settings name by the function for its kind, a key of `STORES`.

    Raises:
        RequestError: the address is invalid.
        EngineError: a required package is not installed.
    """
    address, *_ = addresses_of(settings.store) or [""]
    return _open("store", address, settings, openers)


def _open(
    option: str, address: str, settings: TurnSettings, openers: Mapping[str, Callable[[TurnSettings], T]]
) -> T:
    name, kind = without_secrets(address), kind_of(address)
    if not kind:
        raise OptionError(option, f'"{name}" is not one of {STORE_ADDRESSES}')
    try:
        return openers[kind](msgspec.structs.replace(settings, store=address))
    except ValueError as error:
        raise OptionError(option, f'"{name}" is not a valid address: {error}') from None


def kind_of(address: str) -> str:
    """Return the key in `STORES` of the kind of store at an address; "" if the address is invalid."""
    return next((name for name, kind in STORES.items() if kind.matches(address)), "")


def check_store(settings: TurnSettings) -> str:
    """Return why a store is unavailable; "" if all are available. Blocks for about a second at most.

    Raises:
        HeadraceError: as `open_shards`; or a store cannot be used at all.
    """
    return asyncio.run(_check_all(open_shards(settings)))


async def _check_all(shards: Shards) -> str:
    try:
        failures = await asyncio.gather(*(_check(shard.store, shard.name) for shard in shards))
        if not any(failures):
            await _check_differ(list(shards))
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_CHECK_TIMEOUT / 10):
                await shards.close()
    return "; ".join(filter(None, failures))


async def _check_differ(shards: Sequence[Shard]) -> None:
    """Raise an error if two names, perhaps of one host, lead to the same database: it has both heartbeats."""
    for one, other in combinations(shards, 2):
        if await one.store.liveness(other.store.process) is Liveness.ALIVE:
            raise OptionError("store", f'"{one.name}" and "{other.name}" are the same database')


async def _check(store: TurnStore, address: str) -> str:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT):
            await store.heartbeat()
    except UnusableStoreError:
        raise
    except StoreError as error:
        return error.message
    except TimeoutError:
        return f"the turn store {address} is unavailable: no response within {_CHECK_TIMEOUT:g} s"
    return ""
