"""The ledger: decides which turns run, which wait and what is charged. A pure state machine.

    ledger = Ledger(settings, lease=10.0)
    ledger.enter(ticket, "process 1", now)                  Granted, Waiting or Refused
    ledger.settle(ticket.id, ticket.key, 1234, now)         the slot is free, and 1234 tokens are charged

It knows neither clock nor I/O: `now` is the time in seconds, and never goes back. Every operation first
drops the entries whose lease has run out, and in the end grants slots to waiting turns, so that after it no
turn waits that could run. A turn that waits or is refused is not charged.

Its encoded form is a few documents: "pool", the running and waiting turns of all keys, and one for each key
with limits of requests or tokens. An operation needs those of `documents_of`.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import msgspec

from headrace.limits.account import Account
from headrace.limits.fair_queue import Entry, FairQueue, QueueDocument
from headrace.limits.refusals import Limit, impossible, refuse
from headrace.limits.settings import LimitSettings
from headrace.limits.ticket import Granted, KeyLimits, Lost, Refused, Ticket, Usage, Waiting

__all__ = ["Ledger"]

_GRANTED = Granted()
_POOL = "pool"
_ACCOUNT = "key:"


class _Pool(msgspec.Struct, array_like=True):
    """The encoded form of the running and waiting turns."""

    slots: list[Entry] = []
    queue: QueueDocument = msgspec.field(default_factory=QueueDocument)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Pool)


class Ledger:
    """The running and waiting turns of all processes, and the accounts of the keys.

    Args:
        settings: the limits of the server and of models. Those of a key are in the ticket.
        lease: seconds after which an entry that its process has not renewed is dropped.
        documents: those of a ledger that was encoded.

    Raises:
        msgspec.DecodeError: a document is damaged.
    """

    def __init__(
        self, settings: LimitSettings, lease: float = math.inf, documents: Mapping[str, bytes] | None = None
    ) -> None:
        documents = documents or {}
        pool = _DECODER.decode(documents[_POOL]) if _POOL in documents else _Pool()
        self.settings = settings
        """Those to decide by from now on."""
        self._lease = lease
        self._documents = documents
        self._slots = {entry.id: entry for entry in pool.slots}
        self._queue = FairQueue(pool.queue)
        self._waiting = self._queue.entries
        self._accounts = {
            name.removeprefix(_ACCOUNT): Account(value) for name, value in documents.items() if name != _POOL
        }
        self._keys = dict(Counter(entry.key for entry in pool.slots))  # those that have slots, and how many
        self._models = dict(Counter(entry.model for entry in pool.slots))
        self._granted: list[str] = []
        self._next_expiry = min((entry.expires for entry in (*pool.slots, *self._queue)), default=math.inf)

    @staticmethod
    def documents_of(keys: Iterable[str]) -> list[str]:
        """Return the names of the documents of a ledger with the accounts of these keys."""
        return [_POOL, *(f"{_ACCOUNT}{key}" for key in keys)]

    def waiting_keys(self) -> set[str]:
        """Return the keys with waiting turns whose accounts the ledger needs as well."""
        return {entry.key for entry in self._queue if _has_account(entry)}

    def changes(self, now: float) -> dict[str, bytes | None]:
        """Return the documents that differ from those given to the constructor; None to delete one."""
        values = {f"{_ACCOUNT}{key}": account.encode(now) for key, account in self._accounts.items()}
        is_empty = not self._slots and not self._queue
        pool = _Pool(list(self._slots.values()), self._queue.document())
        values[_POOL] = None if is_empty else _ENCODER.encode(pool)
        return {name: value for name, value in values.items() if value != self._documents.get(name)}

    def enter(self, ticket: Ticket, process: str, now: float) -> Granted | Waiting | Refused:
        """Ask for a slot. Idempotent; a turn that already runs or waits moves to this process.

        The position of a waiting turn is the last one, in constant time; `states` returns the exact one.
        """
        if now >= self._next_expiry:
            self._expire(now)
        id = ticket.id
        expires = now + self._lease
        if entry := self._slots.get(id):
            entry.process, entry.expires = process, expires
            entry.is_continued |= ticket.is_continued
        elif entry := self._waiting.get(id):
            entry.process, entry.expires = process, expires
        else:
            if (refusal := impossible(ticket)) and not self._account(ticket.key).is_charged(id):
                return refusal
            entry = Entry.of(ticket, process, expires)
            self._next_expiry = min(self._next_expiry, expires)
            if not self._waiting and self._limit_of(entry, now) is None:
                self._grant(entry, now)
                return _GRANTED
            self._queue.add(entry)
        self._dispatch(now)
        if id in self._slots:
            return _GRANTED
        if self._is_too_many(entry):
            refusal = self._refusal(entry, now)
            self._queue.remove(id)
            return refusal
        return Waiting(len(self._queue), self._refusal(entry, now))

    def leave(self, ticket: Ticket, process: str, now: float, *, has_started: bool) -> None:
        """Give up waiting, or release a slot. Idempotent; ignored if another process has the turn.

        Args:
            ticket: the turn's.
            process: that of the caller.
            now: the time.
            has_started: the turn may have used tokens, so that its reservation remains until it is settled.
                Otherwise it is not charged, even if it had been granted a slot.
        """
        if now >= self._next_expiry:
            self._expire(now)
        entry = self._find(ticket.id)
        if entry is None or entry.process == process:
            if entry is not None:
                self._remove(entry)
            is_continued = (entry or ticket).is_continued
            if not has_started and not is_continued and _has_account(ticket.limits):
                self._account(ticket.key).cancel(ticket.id)
        self._dispatch(now)

    def settle(self, id: str, key: str, tokens: int, now: float) -> None:
        """Release the slot of a turn that has ended, and replace its reservation by `tokens`, once.

        From any process, since a turn ends only once; also if its slot has expired.
        """
        if now >= self._next_expiry:
            self._expire(now)
        if entry := self._slots.get(id):
            self._release(entry)
            if self._waiting:
                self._queue.correct(entry, tokens)
        elif id in self._waiting:
            self._queue.remove(id)
        if account := self._accounts.get(key):
            account.settle(id, tokens)
        if self._waiting:
            self._dispatch(now)

    def renew(self, process: str, running: Iterable[Ticket], waiting: Iterable[str], now: float) -> list[str]:
        """Renew the leases of a process's turns; return the ids of running ones without a slot.

        A slot that has expired is given back if there is room for it.
        """
        self.pass_time(now)
        expires = now + self._lease
        lost = []
        for ticket in running:
            entry = self._slots.get(ticket.id) or self._regain(ticket, process, now)
            if entry is None or entry.process != process:
                lost.append(ticket.id)
            else:
                entry.expires = expires
        for id in waiting:
            entry = self._find(id)
            if entry is not None and entry.process == process:
                entry.expires = expires
        self._dispatch(now)
        return lost

    def pass_time(self, now: float) -> None:
        """Drop expired entries and grant slots that time has freed, if nothing else happens."""
        if now >= self._next_expiry:
            self._expire(now)
        self._dispatch(now)

    def take_granted(self) -> list[str]:
        """Return the ids of the turns that were granted a slot since the last call."""
        granted, self._granted = self._granted, []
        return granted

    @property
    def has_news(self) -> bool:
        """Whether a turn waits, or was granted a slot since the last call of `take_granted`."""
        return bool(self._waiting or self._granted)

    @property
    def has_waiting(self) -> bool:
        """Whether any turn waits."""
        return bool(self._waiting)

    def states(
        self, process: str, ids: Collection[str], now: float
    ) -> dict[str, Granted | Waiting | Lost | None]:
        """Return what has become of turns of a process; `Lost` if another has it; None if it is unknown."""
        states: dict[str, Granted | Waiting | Lost | None] = {}
        for id in ids:
            entry = self._find(id)
            if entry is None:
                states[id] = None
            elif entry.process != process:
                states[id] = Lost()
            elif id in self._slots:
                states[id] = _GRANTED
        if len(states) < len(ids):
            for position, entry in enumerate(self._queue.in_order(), 1):
                if entry.id in ids and entry.process == process:
                    states[entry.id] = Waiting(position, self._refusal(entry, now))
        return states

    def usage(self, key: str, now: float) -> Usage:
        """Return what a key uses of its limits."""
        account = self._accounts.get(key) or Account()
        return Usage(
            in_flight=self._keys.get(key, 0),
            requests=account.requests.used(now),
            tokens=account.tokens.used(now),
            requests_reset=account.requests.empty_at(now) - now,
            tokens_reset=account.tokens.empty_at(now) - now,
        )

    def _find(self, id: str) -> Entry | None:
        return self._slots.get(id) or self._waiting.get(id)

    def _account(self, key: str) -> Account:
        if (account := self._accounts.get(key)) is None:
            account = self._accounts[key] = Account()
        return account

    def _grant(self, entry: Entry, now: float) -> None:
        self._slots[entry.id] = entry
        self._keys[entry.key] = self._keys.get(entry.key, 0) + 1
        self._models[entry.model] = self._models.get(entry.model, 0) + 1
        if _has_account(entry):
            self._account(entry.key).reserve(entry.id, entry.tokens, now)

    def _remove(self, entry: Entry) -> None:
        """Remove a running or waiting turn."""
        if entry.id in self._slots:
            self._release(entry)
        else:
            self._queue.remove(entry.id)

    def _release(self, entry: Entry) -> None:
        """Remove a running turn."""
        del self._slots[entry.id]
        _decrement(self._keys, entry.key)
        _decrement(self._models, entry.model)

    def _regain(self, ticket: Ticket, process: str, now: float) -> Entry | None:
        """Give a slot back that has expired, if there is room for it and the turn has not ended elsewhere."""
        entry = Entry.of(ticket, process, now + self._lease)
        has_ended = _has_account(ticket.limits) and not self._account(ticket.key).is_charged(ticket.id)
        if has_ended or ticket.id in self._waiting or self._limit_of(entry, now):
            return None
        self._grant(entry, now)
        return entry

    def _expire(self, now: float) -> None:
        entries = [*self._slots.values(), *self._queue]
        for entry in entries:
            if entry.expires <= now:
                self._remove(entry)
        self._next_expiry = min((entry.expires for entry in entries if entry.expires > now), default=math.inf)

    def _dispatch(self, now: float) -> None:
        while self._waiting and not self._is_full():
            entry = self._queue.first(self._has_room, lambda entry: self._key_limit(entry, now) is None)
            if entry is None:
                break
            self._queue.start(entry)
            self._grant(entry, now)
            self._granted.append(entry.id)

    def _limit_of(self, entry: Entry, now: float) -> Limit | None:
        """Return the limit that keeps a turn from starting, apart from others that wait."""
        limit = self._key_limit(entry, now)
        if limit is None and not self._has_room(entry.model):
            return Limit.MODEL
        return Limit.SERVER if limit is None and self._is_full() else limit

    def _key_limit(self, entry: Entry, now: float) -> Limit | None:
        account = self._accounts.get(entry.key)  # without one, nothing is used
        if account is not None and not account.is_charged(entry.id):
            if 0 < entry.requests_per_minute <= account.requests.used(now):
                return Limit.REQUESTS
            limit = entry.tokens_per_5h
            if 0 < limit < account.tokens.used(now) + min(entry.tokens, limit):
                return Limit.TOKENS
        if 0 < entry.in_flight <= self._keys.get(entry.key, 0):
            return Limit.IN_FLIGHT
        return None

    def _has_room(self, model: str) -> bool:
        return not 0 < self.settings.max_in_flight_per_model <= self._models.get(model, 0)

    def _is_full(self) -> bool:
        return 0 < self.settings.max_in_flight <= len(self._slots)

    def _is_too_many(self, entry: Entry) -> bool:
        """Whether a turn exceeds the queue. Each key has its share of it, even if others have filled it."""
        limit = self.settings.max_queued
        if not limit or len(self._queue) <= limit or entry.is_continued:
            return False
        return self._queue.waiting(entry.key)[0] > max(1, limit // self._queue.keys)

    def _free_at(self, entry: Entry, requests: int, tokens: int, now: float) -> float:
        """Return when the windows of a turn's key have room for so much."""
        if not _has_account(entry) or self._account(entry.key).is_charged(entry.id):
            return now
        account, free_at = self._account(entry.key), now
        if limit := entry.requests_per_minute:
            free_at = account.requests.free_at(min(requests, limit), limit, now)
        if limit := entry.tokens_per_5h:
            free_at = max(free_at, account.tokens.free_at(min(tokens, limit), limit, now))
        return free_at

    def _refusal(self, entry: Entry, now: float) -> Refused:
        """Return the error of a turn that waits, as if its key's other waiting turns came first."""
        limit = self._limit_of(entry, now) or Limit.TOKENS  # it would fit, but another of its key comes first
        wait = self._free_at(entry, *self._queue.waiting(entry.key), now) - now
        return refuse(limit, self.settings, entry, wait)


def _decrement(counts: dict[str, int], name: str) -> None:
    if counts[name] > 1:
        counts[name] -= 1
    else:
        del counts[name]


def _has_account(limits: KeyLimits | Entry) -> bool:
    return bool(limits.requests_per_minute or limits.tokens_per_5h)
