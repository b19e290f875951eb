"""The registry of turn stores. `open_store`, its errors, the docs and the tests are derived from it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from headrace.errors import EngineError, RequestError
from headrace.turns.memory import MemoryStore
from headrace.turns.settings import TurnSettings, without_secrets
from headrace.turns.sqlite import SqliteStore
from headrace.turns.store import TurnStore

__all__ = ["STORES", "STORE_ADDRESSES", "StoreKind", "open_store"]


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
    try:
        from headrace.turns.redis import RedisStore
    except ImportError as error:
        msg = f"the turn store needs redis-py ({error}); pip install 'headrace[redis]'"
        raise EngineError(msg) from None
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
