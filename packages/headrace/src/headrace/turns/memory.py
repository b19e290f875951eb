"""Turns in the memory of this process: they outlive their readers, and nothing else."""

import asyncio
import math
import secrets
import time

from headrace.turns.log import ENDINGS, Logged
from headrace.turns.store import (
    Append,
    Behind,
    Cursor,
    Fenced,
    GoneError,
    Liveness,
    StoredTurn,
    Tail,
    TurnHeader,
)

__all__ = ["MemoryStore"]

_SWEEP = 30.0  # seconds between two sweeps, at most: each looks at every turn
_EVENT_BYTES = 80  # of an event, beside its text


class MemoryStore:
    """See `headrace.turns.store.TurnStore`.

    Args:
        size: bytes of logs that have ended; the oldest go first.
        retention: seconds that a log is kept after its last event.
        tombstone_ttl: seconds for which a turn without its log is remembered.
        lease: seconds without a beat after which a process counts as dead.
        beside: another store over the same turns, as another process would have it: for tests.
    """

    outlives_process = False

    def __init__(
        self,
        *,
        size: int = 256 * 1024 * 1024,
        retention: float = 3600.0,
        tombstone_ttl: float = 86400.0,
        lease: float = 6.0,
        beside: "MemoryStore | None" = None,
    ) -> None:
        self.process = secrets.token_hex(8)
        self._size = size
        self._retention = retention
        self._tombstone_ttl = tombstone_ttl
        self._lease = lease
        self._shared: _SharedState = beside._shared if beside else _SharedState()  # noqa: SLF001
        self._shared.beats[self.process] = time.monotonic()
        self._swept = 0.0

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        """See `TurnStore`."""
        shelf = self._shared
        if header.request_id:
            key = (header.owner, header.request_id)
            existing = shelf.by_request.get(key, replaces)
            if existing in shelf.turns and existing != replaces:
                return existing
            shelf.by_request[key] = header.id
        shelf.turns[header.id] = _Record(header, body, self.process)
        return header.id

    async def load(self, id: str) -> StoredTurn | None:
        """See `TurnStore`."""
        record = self._shared.turns.get(id)
        if record is None:
            return None
        return StoredTurn(record.header, record.body, record.after(0), record.gone)

    def append(self, append: Append) -> None:
        """Done at once."""
        record = self._shared.turns.get(append.id)
        if record is None or record.gone:
            append.done(GoneError(append.id, record.gone if record else "it is not known any more"))
        elif record.cursor == append.after:
            record.events += append.events
            record.cursor = append.end
            record.written = time.monotonic()
            if record.change is not None:
                record.tell()
            if type(append.events[-1]) in ENDINGS:
                self._shared.end(record, self._size)
            append.done(None)
        elif record.cursor == append.end:
            append.done(None)
        elif record.cursor.fence != append.after.fence:
            append.done(Fenced())
        else:
            append.done(Behind(record.cursor.position))

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        """See `TurnStore`."""
        record = self._there(id)
        if record.cursor <= after:
            change = record.next_change()
            await asyncio.wait([change], timeout=wait)
            if not change.done():
                return Tail([], after)
            record = self._there(id)
        return record.after(after.position)

    async def take_over(self, id: str, fence: int) -> bool:
        """See `TurnStore`."""
        record = self._there(id)
        if record.cursor.fence + 1 != fence:
            return record.cursor.fence == fence and record.producer == self.process
        record.cursor = Cursor(fence, record.cursor.position)
        record.producer = self.process
        record.tell()
        return True

    async def touch_reader(self, id: str) -> None:
        """See `TurnStore`."""
        self._there(id).read = time.monotonic()

    async def has_reader(self, id: str) -> bool:
        """See `TurnStore`."""
        return time.monotonic() - self._there(id).read < self._lease

    async def beat(self) -> None:
        """See `TurnStore`."""
        now = time.monotonic()
        self._shared.beats[self.process] = now
        if now - self._swept < min(_SWEEP, self._retention / 4):
            return
        self._swept = now
        self._shared.sweep(now - self._retention, now - self._tombstone_ttl)

    async def life(self, process: str) -> Liveness:
        """See `TurnStore`."""
        beat = self._shared.beats.get(process)
        if beat is None:
            return Liveness.LEFT
        return Liveness.ALIVE if time.monotonic() - beat < self._lease else Liveness.SILENT

    async def close(self) -> None:
        """See `TurnStore`."""
        self._shared.beats.pop(self.process, None)

    def _there(self, id: str) -> "_Record":
        record = self._shared.turns.get(id)
        if record is None or record.gone:
            raise GoneError(id, record.gone if record else "it is not known any more")
        return record


class _Record:
    """One turn."""

    def __init__(self, header: TurnHeader, body: bytes, producer: str) -> None:
        self.header = header
        self.body = body
        self.producer = producer
        self.cursor = Cursor(1, 0)
        self.events: list[Logged] = []  # progress included
        self.written = time.monotonic()
        self.read = -math.inf
        self.size = 0  # known when it has ended
        self.gone = ""
        self.change: asyncio.Future[None] | None = None

    def after(self, position: int) -> Tail:
        skipped = len(self.events) - self.cursor.position + position if position else 0
        return Tail(self.events[skipped:], self.cursor, self.producer)

    def next_change(self) -> asyncio.Future[None]:
        if self.change is None:
            self.change = asyncio.get_running_loop().create_future()
        return self.change

    def tell(self) -> None:
        if self.change is not None:
            self.change.set_result(None)
            self.change = None

    def evict(self, reason: str) -> None:
        self.gone = reason
        self.body = b""
        self.events = []
        self.tell()


class _SharedState:
    """What the stores of several processes share."""

    def __init__(self) -> None:
        self.turns: dict[str, _Record] = {}
        self.by_request: dict[tuple[str, str], str] = {}
        self.beats: dict[str, float] = {}
        self._ended: dict[str, None] = {}  # in the order of their endings
        self._size = 0

    def end(self, record: _Record, limit: int) -> None:
        """Count a log that will not grow any more, and make room."""
        texts = sum(len(getattr(event, "text", "")) for event in record.events)
        record.size = len(record.body) + texts + _EVENT_BYTES * len(record.events)
        self._size += record.size
        self._ended[record.header.id] = None
        while self._size > limit and len(self._ended) > 1:
            self._evict(next(iter(self._ended)), "its log had to make room for newer ones")

    def sweep(self, oldest_log: float, oldest_header: float) -> None:
        """Let go of what is too old."""
        for id, record in list(self.turns.items()):
            if not record.gone and record.written < oldest_log:
                self._evict(id, "its log was kept as long as the server keeps logs")
            if record.gone and record.written < oldest_header:
                del self.turns[id]
                key = (record.header.owner, record.header.request_id)
                if self.by_request.get(key) == id:
                    del self.by_request[key]

    def _evict(self, id: str, reason: str) -> None:
        record = self.turns[id]
        if id in self._ended:
            del self._ended[id]
            self._size -= record.size
        record.evict(reason)
