"""Saves what an engine says before anybody can read it.

The engine never waits: what it says while a save is under way leaves with the next one. If the store fails
for longer than its patience, the writer does not hold the answer back any more; it goes on trying, so that
the store gets the whole log when it comes back.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from headrace.turns.log import Logged, MemoryLog
from headrace.turns.store import Append, Behind, Cursor, Fenced, GoneError, Outcome, StoreError, TurnStore

__all__ = ["Writer"]


class Writer:
    """The one way in which a producer logs.

    Args:
        store: where to save.
        id: of the turn.
        fence: under which this process is the turn's producer.
        log: what the turn's readers read here; it holds what is in the store so far.
        on_fenced: another process has taken over; what was not saved is dropped.
        on_failure: the store has failed for too long.
        on_settled: after that, nothing is owed any more: it has everything, or never will.
        retry: seconds until a store that failed is asked again; it has had its own patience before.
    """

    def __init__(
        self,
        store: TurnStore,
        id: str,
        fence: int,
        log: MemoryLog,
        *,
        on_fenced: Callable[[], None],
        on_failure: Callable[[StoreError | GoneError], None],
        on_settled: Callable[[], None],
        retry: float = 1.0,
    ) -> None:
        self.cursor = Cursor(fence, len(log.events))
        """Where the store is."""
        self._store = store
        self._id = id
        self._log = log
        self._on_fenced = on_fenced
        self._on_failure = on_failure
        self._on_settled = on_settled
        self._checked = self.cursor
        self._end = self.cursor  # after the save that is under way
        self._is_busy = False  # a save is under way, or will be tried again
        self._has_failed = False
        self._retry = retry
        self._retrying: asyncio.TimerHandle | None = None

    @property
    def is_owing(self) -> bool:
        """The store has not got everything that could be read, and is asked again."""
        return self._has_failed and self._retrying is not None

    def write(self, events: Sequence[Logged]) -> None:
        """Log what was said."""
        self._log.hold(events)
        if self._has_failed:
            self._log.show(len(self._log.events))
        if not self._is_busy:
            self._save()

    def check_fence(self) -> None:
        """Learn whether another process has taken over, if nothing was saved since the last check.

        Whoever saves something learns it by that.
        """
        checked, self._checked = self._checked, self.cursor
        if self.cursor == checked and not self._is_busy:
            self._append(Cursor(self.cursor.fence, -1), [])  # follows on nothing, and so writes nothing

    async def close(self, patience: float) -> None:
        """Wait until everything is saved, for so many seconds at most; then give up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._is_busy:  # noqa: ASYNC110 - once in a process's life
                    await asyncio.sleep(0.005)
        if self._retrying is not None:
            self._retrying.cancel()
        self._is_busy = True  # for ever

    def _save(self) -> None:
        after = self.cursor
        events = self._log.events[after.position :]
        if not events:
            return
        if not after.position and self._log.progress is not None:
            events.insert(0, self._log.progress)  # how long the prompt was: the usage needs it
        self._append(after, events)

    def _append(self, after: Cursor, events: Sequence[Logged]) -> None:
        self._is_busy = True
        self._end = Cursor(after.fence, len(self._log.events))
        self._store.append(Append(self._id, after, self._end, events, self._done))

    def _done(self, outcome: Outcome) -> None:
        self._is_busy = False
        if outcome is None:
            self.cursor = self._end
            log = self._log
            position = self._end.position
            if position > log.shown:  # or what the store had lost was saved again
                log.show(position)
            if position < len(log.events):
                self._save()
            elif self._has_failed:
                self._has_failed = False
                log.is_saved = True
                self._on_settled()
        elif isinstance(outcome, Behind):
            self.cursor = Cursor(self.cursor.fence, outcome.position)
            self._save()
        elif isinstance(outcome, Fenced):
            self._on_fenced()
        else:
            self._fail(outcome)

    def _fail(self, error: StoreError | GoneError) -> None:
        """Hold nothing back any more, and try again until the store has it all."""
        self._is_busy = True
        is_lost = isinstance(error, GoneError)
        loop = asyncio.get_running_loop()
        self._retrying = None if is_lost else loop.call_later(self._retry, self._try_again)
        if not self._has_failed:
            self._has_failed = True
            self._log.is_saved = False
            self._log.show(len(self._log.events))
            self._on_failure(error)
        elif is_lost:
            self._on_settled()

    def _try_again(self) -> None:
        self._is_busy = False
        self._save()
