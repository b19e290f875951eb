"""One question to the store for all the turns that this process follows."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from headrace.turns.store import Cursor, StoreError, Tail

__all__ = ["LogPoller"]


class LogPoller:
    """Waits for what other processes log.

    Args:
        read: one look at all of them: what was logged after each cursor, for those where something was. Takes
            a few milliseconds, so that turns that have come meanwhile are soon looked at too.
    """

    def __init__(self, read: Callable[[Mapping[str, Cursor]], Awaitable[Mapping[str, Tail]]]) -> None:
        self._read = read
        self._waiting: dict[str, tuple[Cursor, asyncio.Future[Tail]]] = {}
        self._task: asyncio.Task[None] | None = None

    async def next(self, id: str, after: Cursor, wait: float) -> Tail | None:
        """What comes next in a log; None after `wait` seconds.

        Raises:
            StoreError: the store cannot be read.
        """
        coming: asyncio.Future[Tail] = asyncio.get_running_loop().create_future()
        self._waiting[id] = (after, coming)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="tails")
        try:
            await asyncio.wait([coming], timeout=wait)
            return coming.result() if coming.done() else None
        finally:
            coming.cancel()  # nothing, if it is done
            if self._waiting.get(id, (after, None))[1] is coming:
                del self._waiting[id]

    async def close(self) -> None:
        """Nobody waits any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                asked = dict(self._waiting)
                try:
                    tails = await self._read({id: after for id, (after, _) in asked.items()})
                except StoreError as error:
                    for id, (_, coming) in asked.items():
                        if not coming.done():
                            coming.set_exception(error)
                            del self._waiting[id]
                else:
                    for id, tail in tails.items():
                        coming = asked[id][1]
                        if not coming.done():
                            coming.set_result(tail)
                            del self._waiting[id]
        finally:
            self._task = None
