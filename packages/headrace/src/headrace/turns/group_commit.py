"""Group commit: all appends that are ready at the same time become one write, across turns."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from headrace.turns.store import Append, AppendResult, StoreError

__all__ = ["GroupCommit"]

_LOGGER = logging.getLogger("headrace.turns")
_FIRST_DELAY = 0.02  # seconds between retries; doubles
_MAX_DELAY = 1.0


class GroupCommit:
    """Writes one batch at a time; appends that arrive meanwhile form the next batch.

    Args:
        write: writes a batch and returns the result of each append. May raise `StoreError`; it is then
            retried with the same appends and those added since.
        retry_timeout: seconds from the first failed write until pending appends fail.
    """

    def __init__(
        self, write: Callable[[Sequence[Append]], Awaitable[Sequence[AppendResult]]], retry_timeout: float
    ) -> None:
        self.on_write: Callable[[float], object] = lambda _: None
        """Called with the seconds that a batch has taken, with its retries."""
        self._write = write
        self._retry_timeout = retry_timeout
        self._waiting: list[Append] = []
        self._task: asyncio.Task[None] | None = None
        self._failing_since = 0.0  # 0: the last write succeeded

    def add(self, append: Append) -> None:
        """Add an append to the next batch: at the end of this tick, or when the current write is done."""
        self._waiting.append(append)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="group commit")

    async def drain(self) -> None:
        """Wait until no append is pending."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                began = monotonic()
                results = await self._write_with_retries(batch)
                self.on_write(monotonic() - began)
                for append, result in zip(batch, results, strict=True):
                    append.done(result)
        finally:
            self._task = None

    async def _write_with_retries(self, batch: list[Append]) -> Sequence[AppendResult]:
        """Write a batch; between retries, appends added meanwhile join it."""
        loop = asyncio.get_running_loop()
        delay = _FIRST_DELAY
        while True:
            try:
                results = await self._write(batch)
            except StoreError as error:
                self._failing_since = self._failing_since or loop.time()
                if loop.time() - self._failing_since >= self._retry_timeout:
                    return [error] * len(batch)
            except Exception as error:  # a defect; but no turn may hang
                _LOGGER.exception("unexpected error in the turn store")
                return [StoreError(f"unexpected error in the turn store: {error!r}")] * len(batch)
            else:
                self._failing_since = 0.0
                return results
            await asyncio.sleep(delay)
            delay = min(2 * delay, _MAX_DELAY)
            batch += self._waiting
            self._waiting = []
