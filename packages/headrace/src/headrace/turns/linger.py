"""The end of a turn that nobody reads: `linger` seconds after its last reader in any process."""

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
        on_orphaned: called if it has had none anywhere.
    """

    def __init__(
        self, store: TurnStore, id: str, settings: TurnSettings, on_orphaned: Callable[[], None]
    ) -> None:
        self._store = store
        self._id = id
        # It takes up to a lease until a reader in another process is recorded.
        self._limit = max(settings.linger, settings.lease if store.outlives_process else 0.0)
        self._lease = settings.lease
        self._on_orphaned = on_orphaned
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start anew: the last reader has left, or this process has become the producer."""
        self._start(self._limit)

    def cancel(self) -> None:
        """Stop: there is a reader here, or nothing left to end."""
        if self._timer is not None:
            self._timer.cancel()
        if self._check is not None:
            self._check.cancel()

    def _start(self, seconds: float) -> None:
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._check = asyncio.create_task(self._check_others(), name=f"orphan check {self._id}")

    async def _check_others(self) -> None:
        """Wait on if another process has had a reader meanwhile, or if the store does not respond."""
        try:
            left = self._limit - await self._store.reader_age(self._id)
        except StoreError:
            left = self._lease
        except GoneError:
            left = 0.0
        self._check = None
        if left > 0:
            self._start(left)
        else:
            self._on_orphaned()
