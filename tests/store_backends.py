"""A backend for each kind of turn store, for tests and benchmarks."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from redis_server import RedisServer

__all__ = ["BACKENDS", "Backend"]


class Backend(NamedTuple):
    """An empty store: its address, and the server to start first if there is one."""

    address: str
    server: RedisServer | None = None


class BackendFactory(Protocol):
    """Creates a backend in a directory. With `fsync`, a server replies after its writes are on disk."""

    def __call__(self, directory: Path, *, fsync: bool = True) -> Backend: ...


def _memory(_: Path, *, fsync: bool = True) -> Backend:
    return Backend("memory")


def _sqlite(directory: Path, *, fsync: bool = True) -> Backend:
    return Backend(f"sqlite:{directory}/turns.db")


def _redis(directory: Path, *, fsync: bool = True) -> Backend:
    server = RedisServer(directory, "--appendonly", "yes", "--appendfsync", "always" if fsync else "everysec")
    return Backend(server.url, server)


BACKENDS: Mapping[str, BackendFactory] = {"memory": _memory, "sqlite": _sqlite, "redis": _redis}
"""By the name of the store in `headrace.turns.STORES`."""
