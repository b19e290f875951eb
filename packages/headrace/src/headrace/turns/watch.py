"""The watch of other processes: are the producers alive whose turns this process follows?

One task for all followed turns asks about each producer three times per lease, and wakes the followers of one
that is not alive. So a silent turn costs nothing between its events.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

from headrace.turns.store import Followed, GoneError, Liveness, StoreError

__all__ = ["Watch"]


class Watch:
    """Watches the producers of the turns that were added.

    Args:
        liveness: queries the store for the liveness of a process.
        touch_reader: records in the store that this process has a reader for a turn.
        lease: in seconds.
    """

    def __init__(
        self,
        liveness: Callable[[str], Awaitable[Liveness]],
        touch_reader: Callable[[str], Awaitable[None]],
        lease: float,
    ) -> None:
        self._liveness = liveness
        self._touch_reader = touch_reader
        self._interval = lease / 3
        self._followed: set[Followed] = set()
        self._task: asyncio.Task[None] | None = None

    def add(self, turn: Followed) -> None:
        """Watch the producer of a turn from now on."""
        self._followed.add(turn)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="watch")

    def remove(self, turn: Followed) -> None:
        """Watch no longer."""
        self._followed.discard(turn)

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._followed:
            await asyncio.sleep(self._interval)
            turns_by_producer = defaultdict(list)
            for turn in self._followed:
                turns_by_producer[turn.producer].append(turn)
            for producer, turns in turns_by_producer.items():
                with suppress(StoreError):  # which the followers notice as well, and retry
                    await self._check(producer, turns)
        self._task = None

    async def _check(self, producer: str, turns: list[Followed]) -> None:
        if await self._liveness(producer) is not Liveness.ALIVE:
            for turn in turns:
                turn.wake()
            return
        for turn in turns:
            if turn.take_reader():
                with suppress(GoneError):
                    await self._touch_reader(turn.id)
