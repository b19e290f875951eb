"""The fair queue: which of the waiting turns starts next.

Keys share what is free by tokens, and within its share a key's users, in 16 groups by the hash of their
`user_id`, so that nothing is gained by inventing users. The order is that of start-time fair queueing
(Goyal, Vin and Cheng, SIGCOMM 1996). Every key has a *tag*, the tokens it has been given so far; the key
with the lowest tag is next, and its turn's cost is added to its tag. The queue's *clock* is the highest tag
that was served; a key that begins to wait gets at least the clock as its tag, so that nothing is saved up
by not asking. When turns end, their keys' tags are corrected to what they really used. The same happens
once more among the users of a key.

A cost is added when the turn starts, so a long prompt need not wait until it has earned its cost (as with
deficit round robin): it goes when it is its key's time, and its key pays afterwards. The bound:

    A key without debt (its tag is the clock) that could start its first turn is passed over by each other
    waiting key at most once. With a debt of d tokens, the others start turns of at most d tokens in
    between, and one more each. The same holds for a user within the turns of its key.

A turn costs at least 1,000 tokens, so this bounds the number of turns, too. Turns continued after a failure
go before all others, in the order of their arrival.
"""

from collections.abc import Callable, Iterator
from zlib import crc32

import msgspec

from headrace.limits.ticket import Ticket

__all__ = ["Entry", "FairQueue", "QueueDocument"]

_GROUPS = 16
_LEAST_COST = 1000


class Entry(msgspec.Struct, array_like=True):
    """A turn that waits or runs.

    Args:
        expires: when it is dropped unless its process renews it.
        user: the group of its user.
        tokens: prompt and reserved answer.
        in_flight: the limit of its key, as are `requests_per_minute` and `tokens_per_5h`; 0: none.
        number: ascends with the arrival in the queue.
        cost: what was added to the tags for it.
    """

    id: str
    process: str
    expires: float
    key: str
    user: int
    model: str
    tokens: int
    in_flight: int
    requests_per_minute: int
    tokens_per_5h: int
    is_continued: bool
    number: int = 0
    cost: int = 0

    @classmethod
    def of(cls, ticket: Ticket, process: str, expires: float) -> "Entry":
        """Create an entry for a ticket."""
        limits = ticket.limits
        return cls(
            ticket.id,
            process,
            expires,
            ticket.key,
            crc32(ticket.user.encode()) % _GROUPS,
            ticket.model,
            ticket.prompt + ticket.answer,
            limits.in_flight,
            limits.requests_per_minute,
            limits.tokens_per_5h,
            ticket.is_continued,
        )


class _ShareDocument(msgspec.Struct, array_like=True):
    tag: int
    clock: int
    tags: dict[int, int]
    entries: list[Entry]


class QueueDocument(msgspec.Struct, array_like=True):
    """The encoded form of a queue."""

    clock: int = 0
    arrivals: int = 0
    continued: list[Entry] = []
    shares: dict[str, _ShareDocument] = {}


class _Share:
    """The waiting turns of a key; by user and model, since a model may be at its limit."""

    __slots__ = ("clock", "flows", "size", "tag", "tags", "tokens")

    def __init__(self, tag: int, clock: int = 0, tags: dict[int, int] | None = None) -> None:
        self.tag = tag
        self.clock = clock
        self.tags = tags or {}
        self.flows: dict[tuple[int, str], dict[str, Entry]] = {}
        self.size = 0
        self.tokens = 0

    def __iter__(self) -> Iterator[Entry]:
        return (entry for flow in self.flows.values() for entry in flow.values())

    def add(self, entry: Entry) -> None:
        self.tags.setdefault(entry.user, self.clock)
        self.flows.setdefault((entry.user, entry.model), {})[entry.id] = entry
        self.size += 1
        self.tokens += entry.tokens

    def remove(self, entry: Entry) -> None:
        flow = self.flows[entry.user, entry.model]
        del flow[entry.id]
        if not flow:
            del self.flows[entry.user, entry.model]
        self.size -= 1
        self.tokens -= entry.tokens

    def first(self, has_room: Callable[[str], bool]) -> Entry | None:
        """Return the next turn of a model that has room."""
        heads = (next(iter(flow.values())) for (_, model), flow in self.flows.items() if has_room(model))
        return min(heads, key=lambda head: (self.tags[head.user], head.number), default=None)

    def in_order(self) -> list[Entry]:
        """Return the turns in the order in which they would start."""
        tags = dict(self.tags)
        starts = []
        for entry in sorted(self, key=lambda entry: entry.number):
            starts.append((tags[entry.user], entry.number, entry))
            tags[entry.user] = max(tags[entry.user], self.clock) + _cost(entry.tokens)
        return [entry for _, _, entry in sorted(starts, key=lambda start: start[:2])]


class FairQueue:
    """The waiting turns.

    Args:
        document: those of a queue that was encoded.
    """

    def __init__(self, document: QueueDocument | None = None) -> None:
        document = document or QueueDocument()
        self._clock = document.clock
        self._arrivals = document.arrivals
        self._shares = {
            key: _Share(share.tag, share.clock, share.tags) for key, share in document.shares.items()
        }
        self._continued = {entry.id: entry for entry in document.continued}
        self.entries = dict(self._continued)
        """The waiting turns by their ids."""
        for key, share in document.shares.items():
            for entry in share.entries:
                self._shares[key].add(entry)
                self.entries[entry.id] = entry

    def document(self) -> QueueDocument:
        """Return the queue in a form to be encoded."""
        shares = {
            key: _ShareDocument(share.tag, share.clock, share.tags, list(share))
            for key, share in self._shares.items()
        }
        return QueueDocument(self._clock, self._arrivals, list(self._continued.values()), shares)

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())

    def waiting(self, key: str) -> tuple[int, int]:
        """Return how many turns of a key wait, and their tokens; without those that are continued."""
        share = self._shares.get(key)
        return (share.size, share.tokens) if share else (0, 0)

    @property
    def keys(self) -> int:
        """How many keys have waiting turns."""
        return sum(1 for share in self._shares.values() if share.flows)

    def add(self, entry: Entry) -> None:
        """Add a turn behind those of its user."""
        self._arrivals += 1
        entry.number = self._arrivals
        self.entries[entry.id] = entry
        if entry.is_continued:
            self._continued[entry.id] = entry
            return
        if (share := self._shares.get(entry.key)) is None:
            share = self._shares[entry.key] = _Share(self._clock)
        share.add(entry)

    def remove(self, id: str) -> None:
        """Remove a turn that waits no longer."""
        entry = self.entries.pop(id)
        if self._continued.pop(id, None) is None:
            self._shares[entry.key].remove(entry)
        self._tidy()

    def first(self, has_room: Callable[[str], bool], fits: Callable[[Entry], bool]) -> Entry | None:
        """Return the turn that starts next, if any can start.

        Args:
            has_room: whether a turn of this model can start.
            fits: whether a turn is within the limits of its key. If a key's next one is not, its others
                wait as well: those with fewer tokens would otherwise take the tokens for which it waits,
                forever.
        """
        for entry in self._continued.values():
            if has_room(entry.model) and fits(entry):
                return entry
        for share in sorted(self._shares.values(), key=lambda share: share.tag):
            head = share.first(has_room)
            if head is not None and fits(head):
                return head
        return None

    def start(self, entry: Entry) -> None:
        """Remove a turn that starts, and add its cost to the tags of its key and its user."""
        if entry.id not in self._continued:
            share = self._shares[entry.key]
            self._clock = max(self._clock, share.tag)
            share.clock = max(share.clock, share.tags[entry.user])
        self.remove(entry.id)
        self.correct(entry, entry.tokens)

    def correct(self, entry: Entry, tokens: int) -> None:
        """Correct the tags for a turn that has ended to what it has used. Has no effect while no turn waits.

        The tags stay above the clock, so that a correction lets no one pass who would not have passed before.
        """
        if not self.entries:
            return
        change, entry.cost = _cost(tokens) - entry.cost, _cost(tokens)
        share = self._shares.get(entry.key)
        if share is None:
            share = self._shares[entry.key] = _Share(self._clock)
        share.tag = max(max(share.tag, self._clock) + change, self._clock + 1)
        tag = max(share.tags.get(entry.user, 0), share.clock)
        share.tags[entry.user] = max(tag + change, share.clock + 1)

    def in_order(self) -> list[Entry]:
        """Return the turns in the order in which they would start if every limit had room for each."""
        starts = []
        for share in self._shares.values():
            tag = share.tag
            for entry in share.in_order():
                starts.append((tag, entry))
                tag = max(tag, self._clock) + _cost(entry.tokens)
        starts.sort(key=lambda start: start[0])
        return [*self._continued.values(), *(entry for _, entry in starts)]

    def _tidy(self) -> None:
        """Forget keys that neither wait nor have a debt."""
        if not self.entries:
            self._shares.clear()
            self._clock = 0
        else:
            done = [
                key for key, share in self._shares.items() if not share.flows and share.tag <= self._clock
            ]
            for key in done:
                del self._shares[key]


def _cost(tokens: int) -> int:
    return max(tokens, _LEAST_COST)
