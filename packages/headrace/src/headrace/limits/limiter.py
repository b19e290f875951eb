"""Limiters: what a server asks before a turn starts, and tells when it has ended.

    limiter.enter(ticket, report)           Granted(), Waiting(…), Refused(…), or None: it is reported later
    limiter.settle(id, key, tokens)         the turn has ended: its slot is free

`LocalLimiter` is for a store that no other process uses: a ledger in memory, and no waiting for I/O.
`SharedLimiter` keeps the ledger in the documents of several processes.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from headrace.limits.ledger import Ledger
from headrace.limits.settings import CurrentLimits
from headrace.limits.ticket import Decision, Granted, Refused, Ticket, Usage, Waiting

__all__ = ["UPDATE_INTERVAL", "HeldTurn", "Limiter", "LocalLimiter", "Report"]

UPDATE_INTERVAL = 0.25  # seconds; how late a position, and a slot that time has freed, is reported at most

Report = Callable[[Decision], None]


class Limiter(Protocol):
    """Decides which turns of this process run, together with those of all others. For one event loop."""

    def enter(self, ticket: Ticket, report: Report) -> Decision | None:
        """Ask for a slot.

        Args:
            ticket: the turn's. Entering again, until it leaves or is settled, only replaces `report`.
            report: called whenever the decision changes: `Granted` or `Refused` once, before that `Waiting`
                with each new position; `Lost` at any time after `Granted` or `Waiting`, until `settle` or
                `leave`. Called only after this method has returned. It must not raise.

        Returns:
            The decision, which is not reported; None if there is none yet.
        """
        ...

    def leave(self, id: str) -> None:
        """Give up waiting, or release a slot without a final count of tokens.

        `report` is not called any more. A turn that was not reported as granted is not charged; the
        reservation of one that was remains, until another process settles it. Idempotent.
        """
        ...

    def settle(self, id: str, key: str, tokens: int) -> None:
        """Release the slot of a turn that has ended and charge its tokens: prompt and answer. Idempotent.

        `report` is not called any more. The turn may have entered in another process. Applied once, even if
        the store is unavailable for a while.
        """
        ...

    async def usage(self, key: str) -> Usage:
        """Return what a key uses of its limits.

        Raises:
            StoreError: the store is unavailable.
        """
        ...

    async def close(self) -> None:
        """Write what is pending, and release all slots of this process. Never raises."""
        ...


class HeldTurn:
    """A turn that has entered, until it leaves or is settled.

    Args:
        ticket: the turn's.
        report: called whenever the decision changes.
    """

    __slots__ = ("decision", "report", "ticket")

    def __init__(self, ticket: Ticket, report: Report) -> None:
        self.ticket = ticket
        self.report = report
        self.decision: Decision | None = None

    def decide(self, decision: Decision) -> None:
        """Report a decision if it is new."""
        if decision != self.decision:
            self.decision = decision
            self.report(decision)


class LocalLimiter:
    """A `Limiter` for this process alone.

    Args:
        settings: the limits of the server and of models.
    """

    def __init__(self, settings: CurrentLimits) -> None:
        self._settings = settings
        self._ledger = Ledger(settings())
        self._turns: dict[str, HeldTurn] = {}
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, ticket: Ticket, report: Report) -> Decision | None:
        if turn := self._turns.get(ticket.id):
            turn.report = report
            return turn.decision
        ledger = self._ledger
        ledger.settings = self._settings()
        decision = ledger.enter(ticket, "", asyncio.get_running_loop().time())
        if not isinstance(decision, Refused):
            self._turns[ticket.id] = turn = HeldTurn(ticket, report)
            turn.decision = decision
        if ledger.has_news:
            self._report_granted()
        return decision

    def leave(self, id: str) -> None:
        if turn := self._turns.pop(id, None):
            has_started = isinstance(turn.decision, Granted)
            now = asyncio.get_running_loop().time()
            self._ledger.settings = self._settings()
            self._ledger.leave(turn.ticket, "", now, has_started=has_started)
            self._report_granted()

    def settle(self, id: str, key: str, tokens: int) -> None:
        self._turns.pop(id, None)
        ledger = self._ledger
        ledger.settings = self._settings()
        ledger.settle(id, key, tokens, asyncio.get_running_loop().time())
        if ledger.has_news:
            self._report_granted()

    async def usage(self, key: str) -> Usage:
        return self._ledger.usage(key, asyncio.get_running_loop().time())

    async def close(self) -> None:
        self._turns.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _report_granted(self) -> None:
        for id in self._ledger.take_granted():
            if turn := self._turns.get(id):
                turn.decide(Granted())
        if self._timer is None and self._ledger.has_waiting:
            self._timer = asyncio.get_running_loop().call_later(UPDATE_INTERVAL, self._update)

    def _update(self) -> None:
        """Grant what time has freed, and report positions."""
        self._timer = None
        now = asyncio.get_running_loop().time()
        self._ledger.settings = self._settings()
        self._ledger.pass_time(now)
        waiting = [id for id, turn in self._turns.items() if isinstance(turn.decision, Waiting)]
        for id, decision in self._ledger.states("", waiting, now).items():
            if decision is not None and (turn := self._turns.get(id)):
                turn.decide(decision)
        self._report_granted()
