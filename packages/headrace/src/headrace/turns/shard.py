"""A store, and the heartbeat of this process in it. Turns are in one store, or in several: its shards."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from headrace.turns.store import StoreError, TurnStore

__all__ = ["Shard"]

_LOGGER: Final = logging.getLogger("headrace.turns")


class Shard:
    """A store with a heartbeat of its own, so that one that does not respond delays no other's.

    Args:
        store: has the turns.
        name: decides together with the id of a turn whether the turn is here; other processes have the same.
        takes_new: whether turns are created here.
    """

    def __init__(self, store: TurnStore, name: str = "", *, takes_new: bool = True) -> None:
        self.store = store
        self.name = name
        self.takes_new = takes_new
        self.error = ""
        """Why the store was unavailable when it was needed last; "" if it was not."""
        self._failing_since = 0.0
        self._recovered = asyncio.Event()
        self.ended: list[str] = []
        """Asynchronous turns that have ended since the previous heartbeat."""
        self.uncertain: dict[str, str] = {}
        """Turns that may have no producer, and their owners."""
        self._is_alive = False  # by its heartbeat
        self._first: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def failure(self) -> str:
        """Why no turn can be created here, as far as the heartbeat knows; "" if one can."""
        is_waiting = self._task is not None and not self._is_alive
        return self.error or ("the turn store has not responded yet" if is_waiting else "")

    def open(self, interval: float, on_beat: Callable[["Shard"], Awaitable[None]]) -> None:
        """Start the heartbeat, unless it runs.

        Args:
            interval: in seconds.
            on_beat: called after each one that has succeeded. May raise `StoreError`.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run(interval, on_beat), name="heartbeat")

    async def beat_first(self) -> None:
        """Let other processes know of this one before its first turn.

        Raises:
            StoreError: the store is unavailable.
        """
        if not self._is_alive:
            if self._first is None:  # one for all requests that arrive together
                self._first = asyncio.create_task(self.store.heartbeat(), name="first heartbeat")
            try:
                await asyncio.shield(self._first)
            finally:
                self._first = None
            self._is_alive = True

    def fail(self, error: StoreError) -> None:
        """Note that the store is unavailable, until the next heartbeat."""
        if not self.error:
            _LOGGER.warning("%s", error.message)
            self._failing_since = asyncio.get_running_loop().time()
            self._recovered.clear()
        self.error = error.public

    async def is_up(self, seconds: float) -> bool:
        """Return whether the store is available; wait for it until it has not been for so many seconds."""
        if self.error:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._failing_since + seconds):
                    await self._recovered.wait()
        return not self.error

    async def stop(self) -> None:
        """Stop the heartbeat; the lease of this process expires."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, interval: float, on_beat: Callable[["Shard"], Awaitable[None]]) -> None:
        while True:
            ended, self.ended = self.ended, []
            try:
                await self.store.heartbeat(ended)
                ended = []
                self._is_alive = True
                if self.error:
                    _LOGGER.warning("the turn store is available again", extra=self._fields)
                self.error = ""
                self._recovered.set()
                await on_beat(self)
            except StoreError as error:
                self.ended += ended
                self.fail(error)
            await asyncio.sleep(interval)

    @property
    def _fields(self) -> dict[str, str]:
        return {"store": self.name} if self.name else {}
