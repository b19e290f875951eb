"""The timer of a turn without readers in this process.

If this process produces the turn, it ends `linger` seconds after its last reader in any process. If it only
follows, it detaches after a lease.
"""

import asyncio
from collections.abc import Callable

from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, TurnHeader, TurnStore

__all__ = ["OrphanTimer"]


class OrphanTimer:
    """Runs while a turn has no reader here.

    Args:
        store: knows of readers in other processes.
        header: of the turn.
        settings: how long a turn continues without a reader, unless its header tells.
    """

    def __init__(self, store: TurnStore, header: TurnHeader, settings: TurnSettings) -> None:
        self._store = store
        self._id = header.id
        self._linger = settings.linger if header.linger is None else header.linger
        # A reader that stays in another process is recorded a few times per lease.
        self._limit = max(self._linger, settings.lease if store.outlives_process else 0.0)
        self._lease = settings.lease
        self._timer: asyncio.TimerHandle | None = None
        self._check: asyncio.Task[None] | None = None

    def start(self, on_orphaned: Callable[[float], None]) -> None:
        """Start anew: the last reader has detached, or this process has become the producer.

        Args:
            on_orphaned: called with `linger` if the turn has had no reader anywhere.
        """
        self._start(self._limit, on_orphaned)

    def start_detaching(self, detach: Callable[[], None]) -> None:
        """Start anew: this process follows the turn, and its last reader has detached."""
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._lease, detach)

    def cancel(self) -> None:
        """Stop: there is a reader here, or nothing left to end."""
        if self._timer is not None:
            self._timer.cancel()
        if self._check is not None:
            self._check.cancel()
        self._timer = self._check = None  # it refers to the turn, which should not wait for a collection

    def _start(self, seconds: float, on_orphaned: Callable[[float], None]) -> None:
        self.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire, on_orphaned)

    def _expire(self, on_orphaned: Callable[[float], None]) -> None:
        self._timer = None
        self._check = asyncio.create_task(self._check_others(on_orphaned), name=f"orphan check {self._id}")

    async def _check_others(self, on_orphaned: Callable[[float], None]) -> None:
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
            on_orphaned(self._linger)
