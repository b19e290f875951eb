"""A turn store in Redis or Valkey, shared by all replicas.

A log is a stream; the id of an entry is the cursor after it, `{fence}-{position}`. Redis never accepts an
id below the last one, so that a producer without the fence cannot write, whatever goes wrong.

    headrace:turn:{id}                  the header; outlives the log
    headrace:log:{id}                   1-0 {producer, body}, 1-3 {events}, 2-3 {producer, died}, …
    headrace:request:{owner}:{request_id}   the id of the turn
    headrace:reader:{id}                its age is that of the last reader at a following process
    headrace:running:{owner}            the ids of the owner's unfinished turns
    headrace:detached                   the producers of the unfinished detached turns, by turn
    headrace:process:{process}          `left`, or what its time to live is at the end of its lease

With `maxmemory-policy volatile-ttl` Redis evicts first what expires first. Therefore a log that has ended
expires after `retention`, and a running one after twice that time; what the running ones need, later.

All turns that are ready are written by one script call with one reply: with a command per turn, parsing
the replies would dominate the cost (docs/measurements.md).
"""

import math
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import msgspec

from headrace.turns.entries import ENDINGS, Logged, decode_events, encode_events
from headrace.turns.group_commit import GroupCommit
from headrace.turns.log_poller import BlockingPoller, Found
from headrace.turns.probes import Probes
from headrace.turns.redis_client import RedisClient, WrongTypeError
from headrace.turns.redis_scripts import APPEND, CREATE, RUNNING, STRANDED, TAKE_OVER, TOUCH
from headrace.turns.settings import TurnSettings
from headrace.turns.store import (
    DELETED,
    NO_ROOM,
    RETENTION_OVER,
    UNKNOWN,
    Append,
    AppendResult,
    Behind,
    Cursor,
    Fenced,
    Followed,
    GoneError,
    Liveness,
    StoredTurn,
    StoreError,
    Tail,
    TurnHeader,
    damaged,
    decode_header,
    decode_turn,
    decoding,
)
from headrace.turns.takeover import Takeover
from headrace.turns.watch import Watch

__all__ = ["RedisStore"]

Entries = Sequence[tuple[bytes, Mapping[bytes, bytes]]]

_DETACHED: Final = "headrace:detached"
_SHORT: Final = 25  # milliseconds; a newly followed turn waits up to this long for its first query
_LONG: Final = 1000  # milliseconds
_EVICTED: Final = f"{RETENTION_OVER}, {NO_ROOM}, or {DELETED}"


class RedisStore:
    """A `TurnStore` in Redis, which limits its size by itself: `maxmemory` with `volatile-ttl`.

    Args:
        settings: `store` is a URL: `redis://…`, `rediss://…` or `unix://…`.

    Raises:
        ValueError: the URL is malformed.
    """

    outlives_process = True

    def __init__(self, settings: TurnSettings) -> None:
        self.process = secrets.token_hex(8)
        self._retention = int(settings.retention * 1000)
        self._tombstone_ttl = int(
            (settings.retention + settings.tombstone_ttl) * 1000
        )  # from the creation on
        self._lease = int(settings.lease * 1000)
        linger = max(settings.linger, settings.max_linger)
        self._reader_ttl = 2 * self._retention + int((linger + 2 * settings.lease) * 1000)
        self._process_ttl = self._retention + self._tombstone_ttl
        self._client = RedisClient(settings.store)
        self._redis = self._client.redis
        self._append = self._redis.register_script(APPEND)
        self._commit = GroupCommit(self._write, settings.store_retry_timeout)
        self._poller = BlockingPoller(partial(self._poll, _SHORT), partial(self._poll, _LONG))
        self._probes = Probes(self._liveness, self._touch_readers, settings.lease)
        self._watch = Watch(self.liveness, self.touch_reader, settings.lease)

    def time_writes(self, report: Callable[[float], object]) -> None:
        self._commit.on_write = report

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        keys = [_turn(header.id), _log(header.id), _DETACHED, _running(header.owner)]
        if header.request_id:
            keys.append(_request(header.owner, header.request_id))
        encoded = msgspec.json.encode(header)
        ttls = [2 * self._retention, self._tombstone_ttl]
        values = [header.id, encoded, body, self.process, *ttls, replaces, int(header.detached)]
        return str((await self._client.script(CREATE, keys, values)).decode())

    async def find(self, owner: str, request_id: str) -> str | None:
        id = await self._client.run(self._redis.get(_request(owner, request_id)))
        return None if id is None else id.decode()

    async def load(self, id: str) -> StoredTurn | None:
        commands = (("GET", _turn(id)), ("XRANGE", _log(id), "-", "+"))
        header, entries = await self._client.request(*commands, returns_wrong_types=True)
        if header is None:
            return None
        evicted = "" if entries else _EVICTED
        return decode_turn(id, header, evicted, lambda: (entries[0][1][b"body"], _tail(id, entries)))

    def append(self, append: Append) -> None:
        """Save events: one script call for all turns that are ready."""
        self._commit.add(append)

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        if wait:
            return await self._poller.next(id, after, wait) or Tail([], after)
        commands = (("EXISTS", _log(id)), ("XRANGE", _log(id), f"({_encode(after)}", "+"))
        with decoding(id):
            exists, entries = await self._client.request(*commands)
        if not exists:
            raise GoneError(id, _EVICTED)
        return _tail(id, entries) if entries else Tail([], after)

    def wake(self, id: str) -> None:
        self._poller.wake(id)

    def watch(self, turn: Followed) -> None:
        self._watch.add(turn)

    def unwatch(self, turn: Followed) -> None:
        self._watch.remove(turn)

    async def take_over(self, id: str, fence: int, *, has_died: bool = False) -> bool:
        return await self._take_over(id, fence, self.process, has_died=has_died)

    async def release(self, id: str, fence: int) -> None:
        await self._take_over(id, fence, "", has_died=False)

    async def _take_over(self, id: str, fence: int, process: str, *, has_died: bool) -> bool:
        values = [fence, process, 2 * self._retention, id, int(has_died)]
        with decoding(id):
            reply = await self._client.script(TAKE_OVER, [_log(id), _DETACHED], values)
        if reply == b"gone":
            raise GoneError(id, _EVICTED)
        return bool(reply == b"taken")

    async def delete(self, id: str) -> None:
        await self._client.request(("DEL", _log(id)))

    async def touch_reader(self, id: str) -> None:
        await self._probes.touch(id)

    async def reader_age(self, id: str) -> float:
        (left,) = await self._client.request(("PTTL", _reader(id)))
        return (self._reader_ttl - left) / 1000 if left > 0 else math.inf

    async def heartbeat(self, ended: Collection[str] = ()) -> None:
        await self._client.check_mode()
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(_process(self.process), self._process_ttl - self._lease, px=self._process_ttl)
        if ended:
            pipeline.hdel(_DETACHED, *ended)
        await self._client.run(pipeline.execute())

    async def running(self, owner: str) -> Sequence[TurnHeader]:
        return _decode_headers(await self._client.script(RUNNING, [_running(owner)], [_log(""), _turn("")]))

    async def stranded(self) -> Sequence[TurnHeader]:
        keys = [_log(""), _process(""), _turn("")]
        return _decode_headers(await self._client.script(STRANDED, [_DETACHED], keys))

    async def liveness(self, process: str) -> Liveness:
        return await self._probes.liveness(process)

    async def close(self) -> None:
        await self._watch.close()
        await self._poller.close()
        await self._probes.close()
        await self._commit.drain()
        with suppress(StoreError):
            await self._client.run(self._redis.set(_process(self.process), "left", px=self._process_ttl))
        await self._client.close()

    async def _write(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        values: list[Any] = []
        for append in batch:
            has_ended = any(type(event) in ENDINGS for event in append.events[-1:])
            ttl = self._retention if has_ended else 2 * self._retention
            cursors = _encode(append.after), _encode(append.end)
            values += (*cursors, encode_events(append.events), ttl, int(has_ended))
        logs = [_log(append.id) for append in batch]
        last = await self._client.run(self._append(logs, [*values, self.process]))
        return [_outcome(append, id) for append, id in zip(batch, last, strict=True)]

    async def _poll(self, block: int, logs: Mapping[str, Cursor], _: Mapping[str, Cursor]) -> Sequence[Found]:
        streams: Any = {_log(id): _encode(after) for id, after in logs.items()}
        try:
            found = await self._client.run(self._redis.xread(streams, block=block))
        except WrongTypeError:
            return await self._lost(logs)
        if not found and await self._client.run(self._redis.exists(*streams)) < len(streams):
            return await self._lost(logs)
        ids = [(log.decode().removeprefix(_log("")), entries) for log, entries in found or ()]
        return [Found(id, logs[id], _tail_or_error(id, entries)) for id, entries in ids]

    async def _lost(self, logs: Mapping[str, Cursor]) -> Sequence[Found]:
        """Find the logs that were evicted, and those that another program has replaced."""
        pipeline = self._redis.pipeline(transaction=False)
        for id in logs:
            pipeline.type(_log(id))
        types = await self._client.run(pipeline.execute())
        return [
            Found(id, after, GoneError(id, _EVICTED) if type == b"none" else damaged(id, repr(type)))
            for (id, after), type in zip(logs.items(), types, strict=True)
            if type != b"stream"
        ]

    async def _liveness(self, process: str) -> Liveness:
        if not process:
            return Liveness.LEFT
        key = _process(process)
        lease_end, ttl = await self._client.request(("GET", key), ("PTTL", key))
        if lease_end == b"left":
            return Liveness.LEFT
        is_alive = lease_end is not None and lease_end.isdigit() and ttl > int(lease_end)
        return Liveness.ALIVE if is_alive else Liveness.EXPIRED

    async def _touch_readers(self, ids: Collection[str]) -> None:
        await self._client.script(TOUCH, [*map(_reader, ids)], [self.process, self._reader_ttl])


def _turn(id: str) -> str:
    return f"headrace:turn:{id}"


def _request(owner: str, request_id: str) -> str:
    return f"headrace:request:{quote(owner, safe='')}:{request_id}"


def _running(owner: str) -> str:
    return f"headrace:running:{owner}"


def _log(id: str) -> str:
    return f"headrace:log:{id}"


def _reader(id: str) -> str:
    return f"headrace:reader:{id}"


def _process(process: str) -> str:
    return f"headrace:process:{process}"


def _decode_headers(headers: Sequence[bytes]) -> list[TurnHeader]:
    decoded = []
    for header in headers:
        with suppress(ValueError):
            decoded.append(decode_header(header))
    return decoded


def _encode(cursor: Cursor) -> str:
    return f"{cursor.fence}-{cursor.position}"


def _decode(id: bytes) -> Cursor:
    fence, _, position = id.partition(b"-")
    return Cursor(int(fence), int(position))


def _outcome(append: Append, last: bytes) -> AppendResult:
    """Derive the result of an append from the last id of the log."""
    if not last:
        return GoneError(append.id, _EVICTED)
    if last == b"unknown":
        return GoneError(append.id, UNKNOWN)
    if last == b"taken":
        return Fenced()
    cursor = _decode(last)
    if cursor == append.end:
        return None
    return Fenced() if cursor.fence != append.after.fence else Behind(cursor.position)


def _tail(id: str, entries: Entries) -> Tail:
    events: list[Logged] = []
    takeovers = []
    with decoding(id):
        for cursor, fields in entries:
            if b"events" in fields:
                events += decode_events(fields[b"events"])
            else:
                at, process = _decode(cursor), fields[b"producer"].decode()
                takeovers.append(Takeover(at.fence, at.position, process, fields.get(b"died") == b"1"))
        return Tail(events, _decode(entries[-1][0]), takeovers)


def _tail_or_error(id: str, entries: Entries) -> Tail | GoneError:
    try:
        return _tail(id, entries)
    except GoneError as error:
        return error
