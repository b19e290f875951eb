"""A turn store in the memory of this process."""

import asyncio
import math
import secrets
import time
from collections.abc import Collection, Sequence
from sys import getsizeof
from typing import Final, NamedTuple

from headrace.turns.log import ENDINGS, Logged
from headrace.turns.settings import TurnSettings
from headrace.turns.store import (
    NO_ROOM,
    RETENTION_OVER,
    UNKNOWN,
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
from headrace.turns.takeover import Takeover

__all__ = ["MemoryStore"]

_EVICTION_INTERVAL: Final = 30.0  # seconds, at most: each eviction visits every unfinished turn
_TURN_BYTES: Final = 800  # of a turn, besides its body and its events
_EVENT_BYTES: Final = 80  # of an event, besides its text
_MAX_TOMBSTONES: Final = 50_000  # each takes some 300 bytes


class MemoryStore:
    """A `TurnStore` in memory.

    Args:
        settings: limits of size and age.
        beside: a store whose turns this one shares, as if in another process; for tests.
    """

    outlives_process = False

    def __init__(self, settings: TurnSettings, *, beside: "MemoryStore | None" = None) -> None:
        self.process = secrets.token_hex(8)
        self._settings = settings
        self._shared: _SharedState = beside._shared if beside else _SharedState()  # noqa: SLF001
        self._shared.heartbeats[self.process] = time.monotonic()
        self._last_eviction = 0.0

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        shared = self._shared
        if header.request_id:
            key = (header.owner, header.request_id)
            existing = shared.by_request.get(key, replaces)
            if existing != replaces:
                return existing
            shared.by_request[key] = header.id
        shared.begin(_Record(header, body, self.process))
        return header.id

    async def load(self, id: str) -> StoredTurn | None:
        if record := self._shared.turns.get(id):
            return StoredTurn(record.header, record.body, record.after(Cursor(0, 0)))
        if tombstone := self._shared.tombstones.get(id):
            return StoredTurn(tombstone.header, b"", Tail([], Cursor(0, 0)), tombstone.reason)
        return None

    def append(self, append: Append) -> None:
        """Save events; `done` is called at once."""
        record = self._shared.turns.get(append.id)
        if record is None:
            append.done(self._shared.gone(append.id))
        elif record.cursor == append.after:
            record.events += append.events
            record.cursor = append.end
            record.written = time.monotonic()
            if record.change is not None:
                record.notify()
            if type(append.events[-1]) in ENDINGS:
                self._shared.end(record, self._settings.store_size)
            append.done(None)
        elif record.cursor == append.end:
            append.done(None)
        elif record.cursor.fence != append.after.fence:
            append.done(Fenced())
        else:
            append.done(Behind(record.cursor.position))

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        record = self._find(id)
        if record.cursor <= after:
            change = record.next_change()
            await asyncio.wait([change], timeout=wait)
            if not change.done():
                return Tail([], after)
            record = self._find(id)
        return record.after(after)

    async def take_over(self, id: str, fence: int, *, has_died: bool = False) -> bool:
        record = self._find(id)
        if record.cursor.fence + 1 != fence:
            return record.cursor.fence == fence and record.producer == self.process
        record.cursor = Cursor(fence, record.cursor.position)
        record.takeovers.append(Takeover(fence, record.cursor.position, self.process, has_died))
        record.notify()
        return True

    async def touch_reader(self, id: str) -> None:
        self._find(id).read = time.monotonic()

    async def reader_age(self, id: str) -> float:
        return time.monotonic() - self._find(id).read

    async def heartbeat(self, ended: Collection[str] = ()) -> None:  # noqa: ARG002 - it is in the log
        now = time.monotonic()
        self._shared.heartbeats[self.process] = now
        retention, tombstone_ttl = self._settings.retention, self._settings.tombstone_ttl
        if now - self._last_eviction >= min(_EVICTION_INTERVAL, retention / 4):
            self._last_eviction = now
            self._shared.evict_old(now - retention, now - tombstone_ttl)

    async def stranded(self) -> Sequence[TurnHeader]:
        unfinished = [record for record in self._shared.unfinished.values() if record.header.detached]
        return [
            record.header
            for record in unfinished
            if await self.liveness(record.producer) is not Liveness.ALIVE
        ]

    async def liveness(self, process: str) -> Liveness:
        heartbeat = self._shared.heartbeats.get(process)
        if heartbeat is None:
            return Liveness.LEFT
        return Liveness.ALIVE if time.monotonic() - heartbeat < self._settings.lease else Liveness.EXPIRED

    async def close(self) -> None:
        self._shared.heartbeats.pop(self.process, None)

    def _find(self, id: str) -> "_Record":
        record = self._shared.turns.get(id)
        if record is None:
            raise self._shared.gone(id)
        return record


class _Record:
    """One turn."""

    def __init__(self, header: TurnHeader, body: bytes, producer: str) -> None:
        self.header = header
        self.body = body
        self.takeovers = [Takeover(1, 0, producer)]
        self.cursor = Cursor(1, 0)
        self.events: list[Logged] = []  # including progress
        self.written = time.monotonic()
        self.read = -math.inf
        self.size = 0  # set at the ending
        self.change: asyncio.Future[None] | None = None

    @property
    def producer(self) -> str:
        return self.takeovers[-1].process

    def after(self, cursor: Cursor) -> Tail:
        position = cursor.position
        skipped = len(self.events) - self.cursor.position + position if position else 0
        takeovers = [each for each in self.takeovers if each.fence > cursor.fence]
        return Tail(self.events[skipped:], self.cursor, takeovers)

    def next_change(self) -> asyncio.Future[None]:
        if self.change is None:
            self.change = asyncio.get_running_loop().create_future()
        return self.change

    def notify(self) -> None:
        if self.change is not None:
            self.change.set_result(None)
            self.change = None


class _Tombstone(NamedTuple):
    """An evicted turn."""

    header: TurnHeader
    reason: str
    written: float


class _SharedState:
    """The turns and processes that all stores over the same turns share."""

    def __init__(self) -> None:
        self.turns: dict[str, _Record] = {}
        self.tombstones: dict[str, _Tombstone] = {}  # in the order of their evictions
        self.by_request: dict[tuple[str, str], str] = {}
        self.heartbeats: dict[str, float] = {}
        self.unfinished: dict[str, _Record] = {}
        self._ended: dict[str, _Record] = {}  # in the order of their endings
        self._size = 0

    def begin(self, record: _Record) -> None:
        self.turns[record.header.id] = self.unfinished[record.header.id] = record

    def end(self, record: _Record, limit: int) -> None:
        """Add the size of a finished log, and evict the oldest finished ones above the limit."""
        texts = sum(getsizeof(getattr(event, "text", "")) for event in record.events)
        record.size = _TURN_BYTES + len(record.body) + texts + _EVENT_BYTES * len(record.events)
        self._size += record.size
        self._ended[record.header.id] = record
        del self.unfinished[record.header.id]
        while self._size > limit and len(self._ended) > 1:
            self._evict(next(iter(self._ended.values())), NO_ROOM)

    def evict_old(self, oldest_log: float, oldest_tombstone: float) -> None:
        """Evict logs last written before `oldest_log`; delete tombstones from before `oldest_tombstone`."""
        for record in [*self.unfinished.values()]:
            if record.written < oldest_log:
                self._evict(record, RETENTION_OVER)
        while self._ended and (record := next(iter(self._ended.values()))).written < oldest_log:
            self._evict(record, RETENTION_OVER)
        while self.tombstones and next(iter(self.tombstones.values())).written < oldest_tombstone:
            self.tombstones.pop(next(iter(self.tombstones)))

    def gone(self, id: str) -> GoneError:
        tombstone = self.tombstones.get(id)
        return GoneError(id, tombstone.reason if tombstone else UNKNOWN)

    def _evict(self, record: _Record, reason: str) -> None:
        header = record.header
        del self.turns[header.id]
        if self._ended.pop(header.id, None):
            self._size -= record.size
        self.unfinished.pop(header.id, None)
        if self.by_request.get((header.owner, header.request_id)) == header.id:
            del self.by_request[header.owner, header.request_id]
        self.tombstones[header.id] = _Tombstone(header, reason, record.written)
        if len(self.tombstones) > _MAX_TOMBSTONES:
            self.tombstones.pop(next(iter(self.tombstones)))
        record.notify()
