"""Polling of the logs that other processes write: one query to the store for all followed turns."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from headrace.turns.store import Cursor, GoneError, StoreError, Tail

__all__ = ["LogPoller"]


class LogPoller:
    """Waits for new events in any of the followed logs.

    Args:
        poll: one query for all of them: returns the tail after each cursor, for those logs that have grown,
            or are gone. Takes a few milliseconds, so that newly followed turns soon take part.
    """

    def __init__(
        self, poll: Callable[[Mapping[str, Cursor]], Awaitable[Mapping[str, Tail | GoneError]]]
    ) -> None:
        self._poll = poll
        self._waiting: dict[str, tuple[Cursor, asyncio.Future[Tail]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def next(self, id: str, after: Cursor, wait: float) -> Tail | None:
        """Return the next tail of a log; None after `wait` seconds.

        Raises:
            StoreError: the store cannot be read.
            GoneError: the log was evicted, or is damaged.
        """
        tail: asyncio.Future[Tail] = asyncio.get_running_loop().create_future()
        self._waiting[id] = (after, tail)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="log poller")
        try:
            await asyncio.wait([tail], timeout=wait)
            return tail.result() if tail.done() else None
        finally:
            tail.cancel()  # no effect if it is done
            if self._waiting.get(id, (after, None))[1] is tail:
                del self._waiting[id]

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                waiting = dict(self._waiting)
                try:
                    tails = await self._poll({id: after for id, (after, _) in waiting.items()})
                except StoreError as error:
                    for id, (_, future) in waiting.items():
                        if not future.done():
                            future.set_exception(error)
                            del self._waiting[id]
                else:
                    for id, tail in tails.items():
                        future = waiting[id][1]
                        if future.done():
                            continue
                        if isinstance(tail, GoneError):
                            future.set_exception(tail)
                        else:
                            future.set_result(tail)
                        del self._waiting[id]
        finally:
            self._task = None
