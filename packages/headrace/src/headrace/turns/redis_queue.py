"""Commands to Redis that are ready at the same time share a round trip, and a single connection."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

__all__ = ["CommandQueue"]

_MAX_BATCH: Final = 64  # callers; the loop is free between two batches

Command = Sequence[Any]


class CommandQueue:
    """Sends one batch at a time; commands that arrive meanwhile form the next one.

    Args:
        redis: the connections; one of them is used.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._waiting: list[tuple[Sequence[Command], asyncio.Future[list[Any]]]] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, *commands: Command) -> list[Any]:
        """Return the replies to some commands, which are not a transaction. An error may be a reply."""
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._waiting.append((commands, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="redis")
        return await future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
                pipeline = self._redis.pipeline(transaction=False)
                for commands, _ in batch:
                    for command in commands:
                        pipeline.execute_command(*command)
                try:
                    replies = iter(await pipeline.execute(raise_on_error=False))
                    results: list[Any] = [[next(replies) for _ in commands] for commands, _ in batch]
                except Exception as error:  # noqa: BLE001 - raised in each caller
                    results = [error] * len(batch)
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
        finally:
            self._task = None
