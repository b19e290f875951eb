"""A turn store in the memory of this process."""

import asyncio
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Sequence
from sys import getsizeof
from typing import Final, Generic, NamedTuple, TypeVar

from headrace.turns.entries import ENDINGS, Logged
from headrace.turns.settings import TurnSettings
from headrace.turns.store import (
    DELETED,
    NO_ROOM,
    RETENTION_OVER,
    UNKNOWN,
    Append,
    Behind,
    Cursor,
    Fenced,
    Followed,
    GoneError,
    Liveness,
    StoredTurn,
    Tail,
    TurnHeader,
)
from headrace.turns.takeover import Takeover
from headrace.turns.watch import Watch

__all__ = ["MemoryStore"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_EVICTION_INTERVAL: Final = 30.0  # seconds, at most: each eviction visits every unfinished turn
_TURN_BYTES: Final = 800  # of a turn, besides its body and its events
_EVENT_BYTES: Final = 80  # of an event, besides its text
_MAX_EVICTED: Final = 500  # turns until other tasks get their turn
_SHARDS: Final = 64
_PART: Final = 10_000  # tombstones
_PART_AGE: Final = 600.0  # seconds
_MAX_PARTS: Final = 250  # those of a day of 10 minutes each, and of a million turns


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
        self._watch = Watch(self.liveness, self.touch_reader, settings.lease)

    def time_writes(self, report: Callable[[float], object]) -> None:
        """Report nothing: this store writes at once."""

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        shared = self._shared
        if header.request_id:
            key = (header.owner, header.request_id)
            by_request = shared.by_request.shard(key)
            existing = by_request.get(key, replaces)
            if existing != replaces:
                return existing
            by_request[key] = header.id
        shared.begin(_Record(header, body, self.process))
        return header.id

    async def find(self, owner: str, request_id: str) -> str | None:
        key = (owner, request_id)
        return self._shared.by_request.shard(key).get(key)

    async def load(self, id: str) -> StoredTurn | None:
        if record := self._shared.turns.shard(id).get(id):
            return StoredTurn(record.header, record.body, record.after(Cursor(0, 0)))
        if tombstone := self._shared.tombstones.find(id):
            header = TurnHeader(id=id, owner=tombstone.owner, created=0)
            return StoredTurn(header, b"", Tail([], Cursor(0, 0)), tombstone.reason)
        return None

    def append(self, append: Append) -> None:
        """Save events; `done` is called at once."""
        record = self._shared.turns.shard(append.id).get(append.id)
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

    def wake(self, id: str) -> None:
        if record := self._shared.turns.shard(id).get(id):
            record.notify()

    def watch(self, turn: Followed) -> None:
        self._watch.add(turn)

    def unwatch(self, turn: Followed) -> None:
        self._watch.remove(turn)

    async def take_over(self, id: str, fence: int, *, has_died: bool = False) -> bool:
        return self._take_over(id, fence, self.process, has_died=has_died)

    async def release(self, id: str, fence: int) -> None:
        self._take_over(id, fence, "", has_died=False)

    async def delete(self, id: str) -> None:
        self._shared.delete(id)

    def _take_over(self, id: str, fence: int, process: str, *, has_died: bool) -> bool:
        record = self._find(id)
        if record.cursor.fence + 1 != fence:
            return record.cursor.fence == fence and record.producer == process
        record.cursor = Cursor(fence, record.cursor.position)
        record.takeovers.append(Takeover(fence, record.cursor.position, process, has_died))
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
        is_due = now - self._last_eviction >= min(_EVICTION_INTERVAL, retention / 4)
        if is_due:
            self._last_eviction = now
        has_more = True
        while has_more:
            has_more = self._shared.make_room(self._settings.store_size) or (
                is_due and self._shared.evict_old(now - retention, now - tombstone_ttl)
            )
            await asyncio.sleep(0)  # other tasks run

    async def running(self, owner: str) -> Sequence[TurnHeader]:
        unfinished = [record.header for record in self._shared.unfinished.values()]
        return [header for header in unfinished if header.owner == owner]

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
        await self._watch.close()
        self._shared.heartbeats.pop(self.process, None)

    def _find(self, id: str) -> "_Record":
        record = self._shared.turns.shard(id).get(id)
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
    """What is remembered of an evicted turn; the same for many."""

    owner: str
    reason: str


class _Part:
    """Tombstones of turns that were evicted one after the other."""

    def __init__(self) -> None:
        self.created = time.monotonic()
        self.newest = 0.0  # when the last of these turns was written
        self.tombstones: dict[int, _Tombstone] = {}  # by hash of the id


class _Tombstones:
    """The evicted turns, in parts so small that neither a full nor a deleted one blocks the loop.

    Each takes some 60 bytes, because it is found by a hash: one of 10^12 unknown ids is taken for known.
    """

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._values: dict[_Tombstone, _Tombstone] = {}

    def add(self, record: _Record, reason: str) -> None:
        last = self._parts[-1] if self._parts else None
        if last is None or len(last.tombstones) >= _PART or time.monotonic() - last.created > _PART_AGE:
            self._parts.append(last := _Part())
            if len(self._parts) > _MAX_PARTS:
                self._parts.popleft()
        value = _Tombstone(record.header.owner, reason)
        last.tombstones[_hash(record.header.id)] = self._values.setdefault(value, value)
        last.newest = max(last.newest, record.written)

    def find(self, id: str) -> _Tombstone | None:
        key = _hash(id)
        return next((part.tombstones[key] for part in self._parts if key in part.tombstones), None)

    def forget(self, oldest: float) -> bool:
        """Delete a part in which every turn was written before `oldest`; return whether there was one."""
        is_old = bool(self._parts) and self._parts[0].newest < oldest
        if is_old:
            self._parts.popleft()
        return is_old


def _hash(id: str) -> int:
    return hash(id) & (1 << 60) - 1  # two digits of a Python integer


class _Sharded(Generic[K, V]):
    """A mapping in shards, because a dictionary of a million keys blocks the loop when it grows."""

    def __init__(self) -> None:
        self._shards: list[dict[K, V]] = [{} for _ in range(_SHARDS)]

    def shard(self, key: K) -> dict[K, V]:
        """Return the dictionary that has this key, if there is any."""
        return self._shards[hash(key) % _SHARDS]


class _SharedState:
    """The turns and processes that all stores over the same turns share."""

    def __init__(self) -> None:
        self.turns: _Sharded[str, _Record] = _Sharded()
        self.tombstones = _Tombstones()
        self.by_request: _Sharded[tuple[str, str], str] = _Sharded()
        self.heartbeats: dict[str, float] = {}
        self.unfinished: dict[str, _Record] = {}
        self._ended: deque[_Record] = deque()  # in the order of their endings
        self._size = 0

    def begin(self, record: _Record) -> None:
        id = record.header.id
        self.turns.shard(id)[id] = self.unfinished[id] = record

    def end(self, record: _Record, limit: int) -> None:
        """Add the size of a finished log, and evict the oldest finished ones above the limit."""
        texts = sum(getsizeof(getattr(event, "text", "")) for event in record.events)
        record.size = _TURN_BYTES + len(record.body) + texts + _EVENT_BYTES * len(record.events)
        self._size += record.size
        self._ended.append(record)
        del self.unfinished[record.header.id]
        self.make_room(limit)

    def make_room(self, limit: int) -> bool:
        """Evict the oldest finished turns above the limit; return whether there are more."""
        for _ in range(_MAX_EVICTED):
            if self._size <= limit or len(self._ended) <= 1:
                return False
            self._evict_ended(NO_ROOM)
        return True

    def evict_old(self, oldest_log: float, oldest_tombstone: float) -> bool:
        """Evict logs last written before `oldest_log`, and delete tombstones from before `oldest_tombstone`.

        Returns whether there are more.
        """
        for record in [*self.unfinished.values()]:
            if record.written < oldest_log:
                del self.unfinished[record.header.id]
                self._evict(record, RETENTION_OVER)
        for _ in range(_MAX_EVICTED):
            if not self._ended or self._ended[0].written >= oldest_log:
                return self.tombstones.forget(oldest_tombstone)
            self._evict_ended(RETENTION_OVER)
        return True

    def delete(self, id: str) -> None:
        """Evict a finished turn."""
        record = self.turns.shard(id).get(id)
        if record is not None and id not in self.unfinished:
            self._ended.remove(record)
            self._size -= record.size
            self._evict(record, DELETED)

    def gone(self, id: str) -> GoneError:
        tombstone = self.tombstones.find(id)
        return GoneError(id, tombstone.reason if tombstone else UNKNOWN)

    def _evict_ended(self, reason: str) -> None:
        record = self._ended.popleft()
        self._size -= record.size
        self._evict(record, reason)

    def _evict(self, record: _Record, reason: str) -> None:
        header = record.header
        del self.turns.shard(header.id)[header.id]
        key = (header.owner, header.request_id)
        by_request = self.by_request.shard(key)
        if by_request.get(key) == header.id:
            del by_request[key]
        self.tombstones.add(record, reason)
        record.notify()
