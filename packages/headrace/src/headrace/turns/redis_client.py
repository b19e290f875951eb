"""Commands to Redis or Valkey: timeouts, cancellation, and errors of the store instead of redis-py's."""

import asyncio
import os
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError

from headrace.turns.addresses import database_name, without_secrets
from headrace.turns.redis_queue import CommandQueue
from headrace.turns.store import StoreError, UnusableStoreError

__all__ = ["RedisClient", "WrongTypeError"]

_TIMEOUT: Final = 2.0  # seconds per command
_WRONG_TYPE: Final = "WRONGTYPE"  # in the message of an error
_NO_REPLICAS: Final = "NOREPLICAS"  # the same, with min-replicas-to-write
_CLUSTER: Final = (
    "the turn store {} is part of a Redis or Valkey cluster, where one write cannot cover the logs of several"
    " turns; start it without cluster-enabled, or list several servers, separated by commas: they share"
    " the turns"
)


class WrongTypeError(StoreError, ValueError):
    """Another program has replaced a key: an error of the store and, for `decoding`, damage of a turn."""


class RedisClient:
    """The connections to a server.

    Args:
        url: `redis://…`, `rediss://…` or `unix://…`.

    Raises:
        ValueError: the URL is malformed.
    """

    def __init__(self, url: str) -> None:
        database_name(url)
        self.redis = Redis.from_url(
            url,
            protocol=2,
            driver_info=None,  # CLIENT SETINFO would read a file for every connection
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # an idle connection may be dead; every command is idempotent
        )
        self._address = without_secrets(url)
        self._is_usable = False  # not known yet
        self._queue = CommandQueue(self.redis)
        self._commands: set[asyncio.Future[Any]] = set()

    async def request(self, *commands: Sequence[Any], returns_wrong_types: bool = False) -> list[Any]:
        """Run commands, which share a connection with all others: so any number may wait at once.

        Args:
            commands: not a transaction.
            returns_wrong_types: that a key has another type is returned as a reply instead of raised.

        Raises:
            StoreError: the server is unavailable, or a command fails.
        """
        with self._translated_errors():
            replies = await self._queue.run(*commands)
            for reply in replies:
                if isinstance(reply, Exception) and not (returns_wrong_types and _WRONG_TYPE in str(reply)):
                    raise reply
            return replies

    async def script(self, text: str, keys: Sequence[str], values: Sequence[Any]) -> Any:
        """Run a Lua script; as `request`."""
        (reply,) = await self.request(("EVAL", text, len(keys), *keys, *values))
        return reply

    async def run(self, command: Awaitable[Any]) -> Any:
        """Run a command in a task that is never cancelled: redis-py 8.1 can swallow a cancellation.

        Raises:
            StoreError: the server is unavailable, or the command fails.
        """
        with self._translated_errors():
            return await asyncio.shield(self._start(command))

    async def check_mode(self) -> None:
        """Ask the server, once, whether it can be used.

        Raises:
            UnusableStoreError: it is part of a cluster.
            StoreError: the server is unavailable.
        """
        if self._is_usable:
            return
        (properties,) = await self.request(("HELLO",))
        if b"cluster" in properties:
            raise UnusableStoreError(
                _CLUSTER.format(self._address), public="the turn store is a cluster, which cannot be used"
            )
        self._is_usable = True

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # redis-py raises more than its own errors when a connection is lost
            if isinstance(error, ReadOnlyError) or _NO_REPLICAS in str(error):
                self._reconnect()
            kind = WrongTypeError if _WRONG_TYPE in str(error) else StoreError
            msg = f"the turn store {self._address} is unavailable: {_reason(error)}"
            raise kind(msg, public="the turn store is unavailable; try again later") from error

    def _reconnect(self) -> None:
        """Close all connections to what is no primary any more: new ones resolve its name again."""
        self._start(self.redis.connection_pool.disconnect())

    def _start(self, command: Awaitable[Any]) -> asyncio.Future[Any]:
        running = asyncio.ensure_future(command)
        self._commands.add(running)
        running.add_done_callback(self._forget)
        return running

    def _forget(self, command: asyncio.Future[Any]) -> None:
        self._commands.discard(command)
        if not command.cancelled():
            command.exception()  # mark as retrieved, even if the caller was cancelled


def _reason(error: Exception) -> str:
    """Return the system's error message, which redis-py embeds in one of its own."""
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    return str(error)
