"""Waiting for logs that other processes write: few queries to the store for all followed turns."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, NamedTuple

from headrace.turns.store import Cursor, GoneError, StoreError, Tail

__all__ = ["BlockingPoller", "Found", "LogPoller"]

_IDLE_INTERVAL: Final = 0.02  # seconds between two queries
_BUSY_INTERVAL: Final = 0.003
_BUSY: Final = 1.0  # seconds since the last events
_ROUND: Final = 5.0  # seconds until every log has been read again: a takeover or an eviction is no growth
_LONGEST_SKIP: Final = 0.1  # seconds without a query, because nothing seems to have changed
_SILENT: Final = 1.0  # seconds without events until a log is part of the long query


class Found(NamedTuple):
    """What a query found after the cursor of a log."""

    id: str
    after: Cursor
    tail: Tail | GoneError | StoreError


Query = Callable[[Mapping[str, Cursor], Mapping[str, Cursor]], Awaitable[Iterable[Found]]]
"""Reads the first logs, which are new, and of the others those that have grown since the previous query.

Both are given by turn, with the end of the log as it is known. May raise `StoreError`.
"""


class LogPoller:
    """Waits for new events in any of the followed logs, by a query every few milliseconds.

    Args:
        query: see `Query`; of all followed logs.
        has_changed: returns whether anything may have been written since its previous call, for less than
            a query costs.
    """

    def __init__(self, query: Query, has_changed: Callable[[], bool] = lambda: True) -> None:
        self._query = query
        self._has_changed = has_changed
        self._cursors: dict[str, Cursor] = {}  # of all logs that are waited for
        self._futures: dict[str, asyncio.Future[Tail | None]] = {}  # for the same
        self._new: dict[str, Cursor] = {}  # those that are not covered yet
        self._covered: dict[str, Cursor] = {}  # those in which the queries would have found events
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def next(self, id: str, after: Cursor, wait: float) -> Tail | None:
        """Return the next tail of a log; None after `wait` seconds.

        Raises:
            StoreError: the store cannot be read.
            GoneError: the log was evicted, or is damaged.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Tail | None] = loop.create_future()
        self._cursors[id], self._futures[id] = after, future
        if self._covered.get(id) != after:
            self._new[id] = after
        self._start()
        timer = loop.call_later(wait, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()
            if self._futures.get(id) is future:
                del self._cursors[id], self._futures[id]

    def wake(self, id: str) -> None:
        """Let `next` return now."""
        if (future := self._futures.get(id)) is not None:
            _expire(future)

    async def close(self) -> None:
        """Stop polling."""
        tasks = [*self._tasks.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start(self) -> None:
        self._start_task("log poller", self._poll)

    def _start_task(self, name: str, poll: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._run(name, poll), name=name)

    async def _run(self, name: str, poll: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await poll()
        finally:
            del self._tasks[name]

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        busy_until, last_query = 0.0, loop.time()
        rest: list[str] = []
        while self._cursors:
            interval = _BUSY_INTERVAL if loop.time() < busy_until else _IDLE_INTERVAL
            if not (self._has_changed() or self._new) and loop.time() - last_query < _LONGEST_SKIP:
                await asyncio.sleep(interval)
                continue
            elapsed, last_query = loop.time() - last_query, loop.time()
            new, self._new = self._new, {}
            self._covered = dict(self._cursors)
            rest = rest or [*self._covered]
            for _ in range(min(int(len(self._covered) * elapsed / _ROUND) + 1, len(rest))):
                if (id := rest.pop()) in self._covered:
                    new[id] = self._covered[id]
            if await self._deliver(self._query, new, self._covered):
                busy_until, interval = loop.time() + _BUSY, _BUSY_INTERVAL
            await asyncio.sleep(interval)
        self._covered = {}

    async def _deliver(self, query: Query, new: Mapping[str, Cursor], logs: Mapping[str, Cursor]) -> bool:
        """Pass on what a query finds, or its error to all; return whether any turn waited for it."""
        try:
            found = await query(new, logs)
        except StoreError as error:
            found = [Found(id, after, error) for id, after in logs.items()]
        has_any = False
        for id, after, tail in found:
            self._covered.pop(id, None)
            if self._cursors.get(id) != after:  # a concurrent read was faster
                continue
            has_any = True
            del self._cursors[id]
            future = self._futures.pop(id)
            if future.done():
                continue
            if isinstance(tail, Tail):
                future.set_result(tail)
            else:
                future.set_exception(tail)
        return has_any


class BlockingPoller(LogPoller):
    """Waits for new events by two queries that block in the store.

    The long one covers the logs that have been silent for a while: it is sent again only when one of them
    grows, or after about a second. The short one covers the others, so that it stays small, and that a log
    can be added to it at any time.

    Args:
        short: waits some milliseconds for events in the given logs.
        long: waits about a second.
    """

    def __init__(self, short: Query, long: Query) -> None:
        super().__init__(short)
        self._long = long

    def _start(self) -> None:
        super()._start()
        self._start_task("poller of silent logs", self._poll_silent)

    async def _poll(self) -> None:
        while self._new:
            logs = dict(self._new)
            await self._deliver(self._query, logs, logs)
            self._new = _common(self._new, self._cursors)

    async def _poll_silent(self) -> None:
        loop = asyncio.get_running_loop()
        silent = candidates = dict[str, Cursor]()
        next_selection = 0.0
        while self._cursors:
            if loop.time() >= next_selection:
                silent = _common(candidates, self._cursors)
                candidates, next_selection = dict(self._cursors), loop.time() + _SILENT
            self._covered = _common(silent, self._cursors)
            for id in self._covered:
                self._new.pop(id, None)
            if self._covered:
                logs = dict(self._covered)
                await self._deliver(self._long, logs, logs)
            else:
                await asyncio.sleep(_SILENT)
        self._covered = {}


def _expire(future: asyncio.Future[Tail | None]) -> None:
    if not future.done():
        future.set_result(None)


def _common(some: Mapping[str, Cursor], others: Mapping[str, Cursor]) -> dict[str, Cursor]:
    return {id: after for id, after in some.items() if others.get(id) == after}
