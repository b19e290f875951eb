"""Turns in Redis or Valkey: they outlive every process, and all replicas share them.

A log is a stream, and the id of an entry is the cursor after it: `{fence}-{position}`. Redis itself never
accepts an id below the last one, so that whoever lost the fence cannot write, whatever goes wrong.

    headrace:turn:{id}                  the header; lives longer than the log
    headrace:log:{id}                   1-0 {producer, body}, 1-3 {events}, 1-7 {events}, 2-7 {producer}, …
    headrace:request:{owner}:{request_id}   the id of the turn
    headrace:reader:{id}                a process that follows it has a reader
    headrace:process:{process}          `alive` for the length of a lease, or `left`

All turns that are ready are one script call, and one reply: with a command for each turn, reading the
replies would cost more than everything else (docs/measurements.md).
"""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from headrace.turns.group_commit import GroupCommit
from headrace.turns.log import Logged
from headrace.turns.log_poller import LogPoller
from headrace.turns.settings import without_secrets
from headrace.turns.store import (
    Append,
    Behind,
    Cursor,
    Fenced,
    GoneError,
    Liveness,
    Outcome,
    StoredTurn,
    StoreError,
    Tail,
    TurnHeader,
    decode_events,
    encode_events,
)

__all__ = ["RedisStore"]

Entries = Sequence[tuple[bytes, Mapping[bytes, bytes]]]

_CREATE: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return ARGV[1] end -- the reply was lost, and redis-py asks again
if KEYS[3] then
  local existing = redis.call('GET', KEYS[3])
  if existing and existing ~= ARGV[7] then return existing end
  redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[6])
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[6])
redis.call('XADD', KEYS[2], '1-0', 'producer', ARGV[4], 'body', ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return ARGV[1]
"""
_APPEND: Final = """
local outcomes = {}
for i, log in ipairs(KEYS) do
  local after, last, events = ARGV[3 * i - 1], ARGV[3 * i], ARGV[3 * i + 1]
  local entry = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local id = entry and entry[1] or ''
  if id == after then
    redis.call('XADD', log, last, 'events', events)
    if redis.call('PTTL', log) < ARGV[1] * 0.75 then redis.call('PEXPIRE', log, ARGV[1]) end
    id = last
  end
  outcomes[i] = id
end
return outcomes
"""
_TAKE_OVER: Final = """
local entry = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not entry then return 'gone' end
local fence, position = string.match(entry[1], '(%d+)-(%d+)')
if fence + 1 == ARGV[1] + 0 then
  redis.call('XADD', KEYS[1], ARGV[1] .. '-' .. position, 'producer', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 'taken'
end
if fence == ARGV[1] and entry[2][2] == ARGV[2] then return 'taken' end
return 'lost'
"""
_TIMEOUT: Final = 2.0  # seconds for an answer
_BLOCK: Final = 25  # milliseconds; a turn that begins to be followed waits so long for its first look
_EVICTED: Final = "its log was kept as long as the server keeps logs, or had to make room for newer ones"

_decode_header: Final = msgspec.json.Decoder(TurnHeader).decode


class RedisStore:
    """See `headrace.turns.store.TurnStore`. How much is kept is up to Redis: `maxmemory`, `volatile-ttl`.

    Args:
        url: `redis://…`, `rediss://…` or `unix://…`.
        retention: seconds that a log is kept after its last event.
        tombstone_ttl: seconds for which a turn without its log is remembered.
        lease: seconds without a beat after which a process counts as dead.
        patience: seconds for which an append is tried again.
    """

    outlives_process = True

    def __init__(
        self,
        url: str,
        *,
        retention: float = 3600.0,
        tombstone_ttl: float = 86400.0,
        lease: float = 6.0,
        patience: float = 10.0,
    ) -> None:
        self.process = secrets.token_hex(8)
        self._retention = int(retention * 1000)
        self._tombstone_ttl = int((retention + tombstone_ttl) * 1000)  # from the beginning on
        self._lease = int(lease * 1000)
        self._redis = Redis.from_url(
            url,
            protocol=2,
            driver_info=None,  # telling the server our version would read a file for every connection
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # an idle connection may be dead; nothing here counts twice
        )
        self._where = without_secrets(url)
        self._scripts = {text: self._redis.register_script(text) for text in (_CREATE, _APPEND, _TAKE_OVER)}
        self._asking: set[asyncio.Future[Any]] = set()
        self._commit = GroupCommit(self._write, patience)
        self._poller = LogPoller(self._look)

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        """See `TurnStore`."""
        keys = [_turn(header.id), _log(header.id)]
        if header.request_id:
            keys.append(f"headrace:request:{quote(header.owner, safe='')}:{header.request_id}")
        encoded = msgspec.json.encode(header)
        values = [header.id, encoded, body, self.process, self._retention, self._tombstone_ttl, replaces]
        return str((await self._script(_CREATE, keys, values)).decode())

    async def load(self, id: str) -> StoredTurn | None:
        """See `TurnStore`."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.get(_turn(id))
        pipeline.xrange(_log(id))
        header, entries = await self._ask(pipeline.execute())
        if header is None:
            return None
        if not entries:
            return StoredTurn(_decode_header(header), b"", Tail([], Cursor(0, 0)), _EVICTED)
        return StoredTurn(_decode_header(header), entries[0][1][b"body"], _tail(entries))

    def append(self, append: Append) -> None:
        """One script call for all turns that are ready."""
        self._commit.add(append)

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        """See `TurnStore`."""
        if wait and (tail := await self._poller.next(id, after, wait)):
            return tail
        entries = await self._ask(self._redis.xrange(_log(id), min=f"({_encode(after)}"))
        if not entries and not await self._ask(self._redis.exists(_log(id))):
            raise GoneError(id, _EVICTED)
        return _tail(entries) if entries else Tail([], after)

    async def take_over(self, id: str, fence: int) -> bool:
        """See `TurnStore`."""
        answer = await self._script(_TAKE_OVER, [_log(id)], [fence, self.process, self._retention])
        if answer == b"gone":
            raise GoneError(id, _EVICTED)
        return bool(answer == b"taken")

    async def touch_reader(self, id: str) -> None:
        """See `TurnStore`."""
        await self._ask(self._redis.set(_reader(id), self.process, px=self._lease))

    async def has_reader(self, id: str) -> bool:
        """See `TurnStore`."""
        return bool(await self._ask(self._redis.exists(_reader(id))))

    async def beat(self) -> None:
        """See `TurnStore`."""
        await self._ask(self._redis.set(_process(self.process), "alive", px=self._lease))

    async def life(self, process: str) -> Liveness:
        """See `TurnStore`."""
        state = await self._ask(self._redis.get(_process(process)))
        return {b"alive": Liveness.ALIVE, b"left": Liveness.LEFT}.get(state, Liveness.SILENT)

    async def close(self) -> None:
        """See `TurnStore`."""
        await self._poller.close()
        await self._commit.drain()
        with suppress(StoreError):
            await self._ask(self._redis.set(_process(self.process), "left", px=self._tombstone_ttl))
        await self._redis.aclose()

    async def _write(self, batch: Sequence[Append]) -> Sequence[Outcome]:
        values: list[Any] = [self._retention]
        for append in batch:
            values += (_encode(append.after), _encode(append.end), encode_events(append.events))
        last = await self._script(_APPEND, [_log(append.id) for append in batch], values)
        return [_outcome(append, id) for append, id in zip(batch, last, strict=True)]

    async def _look(self, asked: Mapping[str, Cursor]) -> Mapping[str, Tail]:
        ids = {_log(id).encode(): id for id in asked}
        streams: Any = {_log(id): _encode(after) for id, after in asked.items()}
        found = await self._ask(self._redis.xread(streams, block=_BLOCK))
        return {ids[log]: _tail(entries) for log, entries in found or ()}

    async def _script(self, text: str, keys: Sequence[str], values: Sequence[Any]) -> Any:
        return await self._ask(self._scripts[text](keys, values))

    async def _ask(self, answer: Awaitable[Any]) -> Any:
        """In a task that nobody cancels: redis-py 8.1 swallows a cancellation now and then."""
        asking = asyncio.ensure_future(answer)
        self._asking.add(asking)
        asking.add_done_callback(self._forget)
        try:
            return await asyncio.shield(asking)
        except (RedisError, OSError) as error:
            msg = f"the turn store {self._where} cannot be used: {_reason(error)}"
            raise StoreError(msg) from error

    def _forget(self, asking: asyncio.Future[Any]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # whoever asked may be gone


def _reason(error: Exception) -> str:
    """redis-py puts the system's error, which is all that matters, into a sentence of its own."""
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    return str(error)


def _turn(id: str) -> str:
    return f"headrace:turn:{id}"


def _log(id: str) -> str:
    return f"headrace:log:{id}"


def _reader(id: str) -> str:
    return f"headrace:reader:{id}"


def _process(process: str) -> str:
    return f"headrace:process:{process}"


def _encode(cursor: Cursor) -> str:
    return f"{cursor.fence}-{cursor.position}"


def _decode(id: bytes) -> Cursor:
    fence, _, position = id.partition(b"-")
    return Cursor(int(fence), int(position))


def _outcome(append: Append, last: bytes) -> Outcome:
    """What the last id of a log says about an append."""
    if not last:
        return GoneError(append.id, _EVICTED)
    cursor = _decode(last)
    if cursor == append.end:
        return None
    return Fenced() if cursor.fence != append.after.fence else Behind(cursor.position)


def _tail(entries: Entries) -> Tail:
    events: list[Logged] = []
    producer = ""
    for _, fields in entries:
        if b"events" in fields:
            events += decode_events(fields[b"events"])
        else:
            producer = fields[b"producer"].decode()
    return Tail(events, _decode(entries[-1][0]), producer)
