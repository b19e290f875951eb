"""The end of a turn without readers: `linger` seconds after its last reader in any process."""

import asyncio
from collections.abc import Callable

from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, TurnStore

__all__ = ["OrphanTimer"]


class OrphanTimer:
    """Runs while a turn that this process produces has no reader here.

    Args:
        store: knows of readers in other processes.
        id: of the turn.
        settings: how long a turn continues without a reader.
    """

    def __init__(self, store: TurnStore, id: str, settings: TurnSettings) -> None:
        self._store = store
        self._id = id
        # A reader that stays in another process is recorded a few times per lease.
        self._limit = max(settings.linger, settings.lease if store.outlives_process else 0.0)
        self._lease = settings.lease
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None

    def start(self, on_orphaned: Callable[[], None]) -> None:
        """Start anew: the last reader has detached, or this process has become the producer.

        Args:
            on_orphaned: called if the turn has had no reader anywhere.
        """
        self._start(self._limit, on_orphaned)

    def cancel(self) -> None:
        """Stop: there is a reader here, or nothing left to end."""
        if self._timer is not None:
            self._timer.cancel()
        if self._check is not None:
            self._check.cancel()
        self._timer = self._check = None

    def _start(self, seconds: float, on_orphaned: Callable[[], None]) -> None:
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire, on_orphaned)

    def _expire(self, on_orphaned: Callable[[], None]) -> None:
        self._timer = None
        self._check = asyncio.create_task(self._check_others(on_orphaned), name=f"orphan check {self._id}")

    async def _check_others(self, on_orphaned: Callable[[], None]) -> None:
        """Wait on if another process has had a reader meanwhile, or if the store does not respond."""
        try:
            left = self._limit - await self._store.reader_age(self._id)
        except StoreError:
            left = self._lease
        except GoneError:
            left = 0.0
        self._check = None
        if left > 0:
            self._start(left, on_orphaned)
        else:
            on_orphaned()
