"""Appends that are ready together are one write, whatever turns they belong to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from headrace.turns.store import Append, Outcome, StoreError

__all__ = ["GroupCommit"]

_LOGGER = logging.getLogger("headrace.turns")
_LONGEST_DELAY = 1.0


class GroupCommit:
    """Writes one batch at a time; what comes meanwhile is the next batch.

    Args:
        write: one write for the whole batch; gives each append's outcome. May raise `StoreError`, and is then
            called again with the same appends, and those that have come since.
        patience: seconds from a write that failed until the appends that wait are told so.
    """

    def __init__(
        self, write: Callable[[Sequence[Append]], Awaitable[Sequence[Outcome]]], patience: float
    ) -> None:
        self._write = write
        self._patience = patience
        self._waiting: list[Append] = []
        self._task: asyncio.Task[None] | None = None
        self._failing_since = 0.0  # 0 while all is well

    def add(self, append: Append) -> None:
        """Leaves with the next batch: at the end of this tick, or when the write under way is done."""
        self._waiting.append(append)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="group commit")

    async def drain(self) -> None:
        """Until nothing is waiting."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                outcomes = await self._write_patiently(batch)
                for append, outcome in zip(batch, outcomes, strict=True):
                    append.done(outcome)
        finally:
            self._task = None

    async def _write_patiently(self, batch: list[Append]) -> Sequence[Outcome]:
        """Asks again until it is written, or the patience is over. More appends may join the batch."""
        loop = asyncio.get_running_loop()
        delay = 0.02
        while True:
            try:
                outcomes = await self._write(batch)
            except StoreError as error:
                self._failing_since = self._failing_since or loop.time()
                if loop.time() - self._failing_since >= self._patience:
                    return [error] * len(batch)
            except Exception as error:  # a defect; but no turn may hang
                _LOGGER.exception("the store failed in a way that is not its own")
                return [StoreError(f"the store failed: {error!r}")] * len(batch)
            else:
                self._failing_since = 0.0
                return outcomes
            await asyncio.sleep(delay)
            delay = min(2 * delay, _LONGEST_DELAY)
            batch += self._waiting
            self._waiting = []
