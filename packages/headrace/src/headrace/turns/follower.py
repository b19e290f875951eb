"""Reads what another process saves of a turn, and takes the turn over when that process is dead."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from headrace.turns.log import MemoryLog
from headrace.turns.settings import TurnSettings
from headrace.turns.store import Cursor, Life, StoreError, Tail, TurnStore

__all__ = ["Follower"]

_LOGGER = logging.getLogger("headrace.turns")
_RETRY: Final = 0.2  # seconds until a store that failed is asked again


class Follower:
    """One turn, as somebody else produces it.

    Args:
        store: where it is read.
        id: of the turn.
        log: gets what is read.
        settings: the length of a lease, and patience with the store.
        check: refuses, by raising, what this process could not produce.
    """

    def __init__(
        self, store: TurnStore, id: str, log: MemoryLog, settings: TurnSettings, check: Callable[[], object]
    ) -> None:
        self.cursor = Cursor(1, 0)
        """How far the log has been read."""
        self.is_forced = False
        """Take over whoever produces it now, and even if this process could not."""
        self.is_taking_over = False
        """The store may count this process as the producer already."""
        self._store = store
        self._id = id
        self._log = log
        self._lease = settings.lease
        self._patience = settings.store_patience
        self._check = check
        self._producer = ""

    def take_in(self, tail: Tail) -> None:
        """What was read of the log."""
        self.cursor = tail.cursor
        self._producer = tail.producer or self._producer
        self._log.append(tail.events)

    async def read_on(self, *, wait: float) -> bool:
        """Take in everything saved so far; if that is nothing new, wait up to `wait` seconds for more.

        Return whether there was anything new.
        """
        start = self.cursor
        while True:
            after = self.cursor
            tail = await self._store.follow(self._id, after, wait)
            if self.cursor == after:
                self.take_in(tail)
                return self.cursor != start
            wait = 0  # a concurrent call has taken in its own tail, which may be older than this one

    async def run(self) -> bool:
        """Until the ending is here, or this process is the producer; whether it is.

        Raises:
            StoreError: the store has failed for longer than its patience.
            GoneError: the log was evicted.
            HeadraceError: the producer is dead, and this process cannot go on.
        """
        loop = asyncio.get_running_loop()
        next_look = failing_since = 0.0
        was_silent = is_taken = False
        while not (is_taken or self._log.is_finished):
            try:
                if loop.time() < next_look:
                    if await self.read_on(wait=next_look - loop.time()):
                        was_silent = False
                else:
                    life = await self._look()
                    # A store that comes back after a while finds every lease run out: hence a second look.
                    if life is Life.LEFT or (life is Life.SILENT and was_silent):
                        is_taken = await self._take_over()
                    was_silent = life is Life.SILENT
                    next_look = loop.time() + self._lease / 3
                failing_since = 0.0
            except StoreError:
                failing_since = failing_since or loop.time()
                if loop.time() - failing_since >= self._patience:
                    raise
                await asyncio.sleep(_RETRY)
        return is_taken

    async def _look(self) -> Life:
        """Is there still a producer?"""
        if self.is_forced or self._producer == self._store.process:
            return Life.LEFT
        life = await self._store.life(self._producer)
        if life is Life.ALIVE and not self._log.is_deserted:
            await self._store.mark_read(self._id)
        return life

    async def _take_over(self) -> bool:
        """Become the producer, unless another process is faster or the ending has come meanwhile."""
        if not self.is_forced:
            self._check()
        fence = self.cursor.fence + 1
        self.is_taking_over = True
        is_taken = await self._store.take_over(self._id, fence)
        while self.cursor.fence < fence:
            await self.read_on(wait=0)
        self.is_taking_over = False
        if is_taken and not self._log.is_finished:
            _LOGGER.warning("turn %s is taken over after %d events", self._id, len(self._log.events))
            return True
        return False
