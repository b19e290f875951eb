"""The limiter of a process that shares a store with others: the ledger is in documents.

All operations that are pending become one read, decision and write, and start again if another process has
written meanwhile. While turns of this process wait, it looks for a new version 20 times a second.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from headrace.documents import Documents, Snapshot
from headrace.limits.ledger import Ledger
from headrace.limits.limiter import UPDATE_INTERVAL, HeldTurn, Report
from headrace.limits.settings import CurrentLimits
from headrace.limits.ticket import UNAVAILABLE, Decision, Granted, Lost, Refused, Ticket, Usage, Waiting
from headrace.turns.store import StoreError

__all__ = ["SharedLimiter"]

_LOGGER = logging.getLogger("headrace.limits")
_LOOK_INTERVAL = 0.05  # seconds
_CONFLICT_DELAY = 0.004  # seconds; the longest pause after a conflict
_FIRST_DELAY = 0.02  # seconds between attempts while the store is unavailable; doubles
_MAX_DELAY = 1.0
_RETRY_AFTER = 2.0  # seconds; when the store is unavailable
_CLOSE_TIMEOUT = 2.0  # seconds; what is not released then expires


class _Operation(NamedTuple):
    """A change of the ledger, which is made again if it could not be written."""

    id: str
    key: str
    apply: Callable[[Ledger, float], Decision | None]


class SharedLimiter:
    """A `Limiter` together with other processes.

    Args:
        documents: those of all these processes.
        settings: the limits of the server and of models; the same in all processes.
        lease: seconds for which a slot outlives a process that has died.
        process: a name that no other process has or will have.
        retry_timeout: seconds from the first failure of the store until turns are refused.
    """

    def __init__(
        self,
        documents: Documents,
        settings: CurrentLimits,
        *,
        lease: float,
        process: str,
        retry_timeout: float,
    ) -> None:
        self._documents = documents
        self._settings = settings
        self._lease = lease
        self._process = process
        self._retry_timeout = retry_timeout
        self._turns: dict[str, HeldTurn] = {}
        self._operations: list[_Operation] = []
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._version = 0  # the last that was read
        self._waiting_keys: set[str] = set()  # whose turns waited when the ledger was read
        self._renew_at = 0.0
        self._read_at = 0.0
        self._failing_since = 0.0  # 0: the store is available
        self._is_closed = False

    def enter(self, ticket: Ticket, report: Report) -> Decision | None:
        turn = self._turns.get(ticket.id)
        if turn is not None and not isinstance(turn.decision, Lost):
            turn.report = report
            return turn.decision
        self._turns[ticket.id] = HeldTurn(ticket, report)
        self._enter(ticket)
        return None

    def leave(self, id: str) -> None:
        if turn := self._turns.pop(id, None):
            ticket, has_started = turn.ticket, isinstance(turn.decision, Granted | Lost)
            self._add(
                id,
                ticket.key,
                lambda ledger, now: ledger.leave(ticket, self._process, now, has_started=has_started),
            )

    def settle(self, id: str, key: str, tokens: int) -> None:
        self._turns.pop(id, None)
        self._add(id, key, lambda ledger, now: ledger.settle(id, key, tokens, now))

    async def usage(self, key: str) -> Usage:
        ledger, snapshot = await self._read([key])
        return ledger.usage(key, snapshot.now)

    async def close(self) -> None:
        for id in list(self._turns):
            self.leave(id)
        if (task := self._task) is not None:
            await asyncio.wait([task], timeout=_CLOSE_TIMEOUT)
            task.cancel()
            await asyncio.wait([task])
        self._is_closed = True
        await self._documents.close()

    def _enter(self, ticket: Ticket) -> None:
        self._add(ticket.id, ticket.key, lambda ledger, now: ledger.enter(ticket, self._process, now))

    def _add(self, id: str, key: str, apply: Callable[[Ledger, float], Decision | None]) -> None:
        if self._is_closed:
            return
        self._operations.append(_Operation(id, key, apply))
        self._changed.set()
        if self._task is None:
            self._renew_at = _now() + self._lease / 3
            self._task = asyncio.create_task(self._run(), name="limits")

    async def _run(self) -> None:
        """Write operations, renew leases and look for grants, as long as there is a turn."""
        delay = 0.0
        try:
            while self._operations or self._turns:
                await asyncio.sleep(delay)
                try:
                    await self._wait()
                    if self._operations or self._is_renewal_due() or await self._has_changed():
                        is_written = await self._commit()
                        delay = 0.0 if is_written else random.uniform(0.0, _CONFLICT_DELAY)  # noqa: S311
                    self._failing_since = 0.0
                except StoreError as error:
                    self._fail(error)
                    delay = min(2 * delay, _MAX_DELAY) or _FIRST_DELAY
                except Exception as error:  # a defect; but no turn may hang
                    _LOGGER.exception("unexpected error in the limits")
                    self._operations.clear()
                    self._refuse(f"unexpected error in the limits: {error!r}")
                    delay = _MAX_DELAY
        finally:
            self._task = None

    async def _wait(self) -> None:
        """Wait for an operation, or until it is time to renew the leases or to look for grants."""
        if self._operations:
            return
        self._changed.clear()
        timeout = self._renew_at - _now()
        if self._of_decision(Waiting):
            timeout = min(timeout, _LOOK_INTERVAL)
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()

    async def _has_changed(self) -> bool:
        """Whether waiting turns may have been granted a slot."""
        if not self._of_decision(Waiting):
            return False
        return _now() >= self._read_at + UPDATE_INTERVAL or await self._documents.version() != self._version

    async def _commit(self) -> bool:
        """Apply the pending operations in one write, and report what follows; False: after a conflict."""
        operations = list(self._operations)
        running, waiting = self._of_decision(Granted), self._of_decision(Waiting)
        is_renewal = self._is_renewal_due()
        keys = [operation.key for operation in operations]
        ledger, snapshot = await self._read([*keys, *(turn.key for turn in running if is_renewal)])
        now = snapshot.now
        decided: dict[str, Decision | None] = {}
        if is_renewal:
            lost = ledger.renew(self._process, running, [turn.id for turn in waiting], now)
            decided.update(dict.fromkeys(lost, Lost()))
        ledger.pass_time(now)
        decided.update((operation.id, operation.apply(ledger, now)) for operation in operations)
        changes = ledger.changes(now)
        if changes and not await self._documents.write(snapshot.version, changes):
            return False
        del self._operations[: len(operations)]
        self._version = snapshot.version  # if it has written, it reads once more
        self._read_at = _now()
        if is_renewal:
            self._renew_at = self._read_at + self._lease / 3
        entered = [id for id, decision in decided.items() if isinstance(decision, Granted | Waiting)]
        decided |= ledger.states(self._process, {*entered, *(turn.id for turn in waiting)}, now)
        for id, decision in decided.items():
            self._decide(id, decision)
        return True

    def _decide(self, id: str, decision: Decision | None) -> None:
        turn = self._turns.get(id)
        if turn is None:  # it was settled meanwhile
            return
        if decision is None:  # its place in the queue has expired
            self._enter(turn.ticket)
            return
        if isinstance(decision, Refused):
            del self._turns[id]
        turn.decide(decision)

    async def _read(self, keys: Iterable[str]) -> tuple[Ledger, Snapshot]:
        """Read the ledger with the accounts of these keys and of all turns that wait."""
        keys = {*keys, *self._waiting_keys}
        while True:
            names = Ledger.documents_of(keys)
            snapshot = await self._documents.read(names)
            try:
                ledger = Ledger(self._settings(), self._lease, snapshot.values)
            except msgspec.DecodeError as error:
                msg = f"the store has damaged the documents of the limits: {error}"
                raise StoreError(msg, public="the turn store is unavailable; try again later") from error
            self._waiting_keys = ledger.waiting_keys()
            if self._waiting_keys <= keys:
                return ledger, snapshot
            keys |= self._waiting_keys

    def _fail(self, error: StoreError) -> None:
        """Refuse turns that enter if the store has been unavailable for long. Others continue."""
        self._failing_since = self._failing_since or _now()
        if _now() >= self._failing_since + self._retry_timeout:
            self._refuse(error.public)

    def _refuse(self, message: str) -> None:
        """Refuse the turns without a decision. Their entries expire if they have reached the store."""
        undecided = {id: turn for id, turn in self._turns.items() if turn.decision is None}
        self._operations = [each for each in self._operations if each.id not in undecided]
        for id, turn in undecided.items():
            del self._turns[id]
            turn.decide(Refused(UNAVAILABLE, message, _RETRY_AFTER))

    def _of_decision(self, kind: type[Decision]) -> list[Ticket]:
        return [turn.ticket for turn in self._turns.values() if isinstance(turn.decision, kind)]

    def _is_renewal_due(self) -> bool:
        return _now() >= self._renew_at


def _now() -> float:
    return asyncio.get_running_loop().time()
