"""Questions about other processes, and reports to them: shared by all turns that this process follows."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

from headrace.turns.store import Liveness, StoreError

__all__ = ["Probes"]


class Probes:
    """Queries and writes that cost the same for a thousand followed turns as for one.

    Args:
        liveness: queries the store for the liveness of a process.
        touch: records in the store that this process has readers for these turns.
        lease: in seconds. A liveness is reused for a sixtieth of it; readers are recorded within a twelfth.
    """

    def __init__(
        self,
        liveness: Callable[[str], Awaitable[Liveness]],
        touch: Callable[[Collection[str]], Awaitable[None]],
        lease: float,
    ) -> None:
        self._liveness = liveness
        self._touch = touch
        self._lease = lease
        self._queries: dict[str, asyncio.Future[Liveness]] = {}  # by process
        self._touched: set[str] = set()
        self._pause: asyncio.TimerHandle | None = None  # until the next write
        self._writing: asyncio.Task[None] | None = None

    async def liveness(self, process: str) -> Liveness:
        """Return the liveness of a process; raise `StoreError` if the store does."""
        query = self._queries.get(process)
        if query is None:
            query = self._queries[process] = asyncio.ensure_future(self._liveness(process))
            query.add_done_callback(lambda done: done.cancelled() or done.exception())  # mark as retrieved
            asyncio.get_running_loop().call_later(self._lease / 60, self._queries.pop, process)
        return query.result() if query.done() else await asyncio.shield(query)

    async def touch(self, id: str) -> None:
        """Record that this process has a reader for a turn: at once, unless readers were just recorded."""
        self._touched.add(id)
        if self._pause is None:
            await asyncio.shield(self._start_write())

    async def close(self) -> None:
        """Record nothing more."""
        if self._pause is not None:
            self._pause.cancel()
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _start_write(self) -> asyncio.Task[None]:
        self._pause = asyncio.get_running_loop().call_later(self._lease / 12, self._end_pause)
        self._writing = asyncio.create_task(self._write(), name="readers")
        return self._writing

    def _end_pause(self) -> None:
        self._pause = None
        if self._touched:
            self._start_write()

    async def _write(self) -> None:
        ids, self._touched = self._touched, set()
        with suppress(StoreError):  # the next call repeats it
            await self._touch(ids)
