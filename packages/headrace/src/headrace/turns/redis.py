"""A turn store in Redis or Valkey, shared by all replicas.

A log is a stream; the id of an entry is the cursor after it, `{fence}-{position}`. Redis never accepts an
id below the last one, so that a producer without the fence cannot write, whatever goes wrong.

    headrace:turn:{id}                  the header; outlives the log
    headrace:log:{id}                   1-0 {producer, body}, 1-3 {events}, 2-3 {producer, died}, …
    headrace:request:{owner}:{request_id}   the id of the turn
    headrace:reader:{id}                its age is that of the last reader at a following process
    headrace:detached                   the producers of the unfinished detached turns, by turn
    headrace:process:{process}          `left`, or what its time to live is at the end of its lease

With `maxmemory-policy volatile-ttl` Redis evicts first what expires first. Therefore a log that has ended
expires after `retention`, and a running one after twice that time; what the running ones need, later.

All turns that are ready are written by one script call with one reply: with a command per turn, parsing
the replies would dominate the cost (docs/measurements.md).
"""

import asyncio
import math
import os
import secrets
from collections.abc import Awaitable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from headrace.turns.group_commit import GroupCommit
from headrace.turns.log import ENDINGS, Logged, decode_events, encode_events
from headrace.turns.log_poller import BlockingPoller, Found
from headrace.turns.probes import Probes
from headrace.turns.redis_queue import CommandQueue
from headrace.turns.redis_scripts import APPEND, CREATE, STRANDED, TAKE_OVER, TOUCH
from headrace.turns.settings import TurnSettings, without_secrets
from headrace.turns.store import (
    NO_ROOM,
    RETENTION_OVER,
    UNKNOWN,
    Append,
    AppendResult,
    Behind,
    Cursor,
    Fenced,
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

__all__ = ["RedisStore"]

Entries = Sequence[tuple[bytes, Mapping[bytes, bytes]]]

_DETACHED: Final = "headrace:detached"
_TIMEOUT: Final = 2.0  # seconds per command
_SHORT: Final = 25  # milliseconds; a newly followed turn waits up to this long for its first query
_LONG: Final = 1000  # milliseconds
_WRONG_TYPE: Final = "WRONGTYPE"  # in the message of an error
_EVICTED: Final = f"{RETENTION_OVER}, or {NO_ROOM}"


class _WrongTypeError(StoreError, ValueError):
    """Another program has replaced a key: an error of the store and, for `decoding`, damage of a turn."""


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
        self._reader_ttl = 2 * self._retention + int((settings.linger + 2 * settings.lease) * 1000)
        self._process_ttl = self._retention + self._tombstone_ttl
        self._redis = Redis.from_url(
            settings.store,
            protocol=2,
            driver_info=None,  # CLIENT SETINFO would read a file for every connection
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 1),  # an idle connection may be dead; every command is idempotent
        )
        self._address = without_secrets(settings.store)
        self._append = self._redis.register_script(APPEND)
        self._queue = CommandQueue(self._redis)
        self._commands: set[asyncio.Future[Any]] = set()
        self._commit = GroupCommit(self._write, settings.store_retry_timeout)
        self._poller = BlockingPoller(partial(self._poll, _SHORT), partial(self._poll, _LONG))
        self._probes = Probes(self._liveness, self._touch_readers, settings.lease)

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        keys = [_turn(header.id), _log(header.id), _DETACHED]
        if header.request_id:
            keys.append(_request(header.owner, header.request_id))
        encoded = msgspec.json.encode(header)
        ttls = [2 * self._retention, self._tombstone_ttl]
        values = [header.id, encoded, body, self.process, *ttls, replaces, int(header.detached)]
        return str((await self._script(CREATE, keys, values)).decode())

    async def find(self, owner: str, request_id: str) -> str | None:
        id = await self._run(self._redis.get(_request(owner, request_id)))
        return None if id is None else id.decode()

    async def load(self, id: str) -> StoredTurn | None:
        commands = (("GET", _turn(id)), ("XRANGE", _log(id), "-", "+"))
        header, entries = await self._request(*commands, returns_wrong_types=True)
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
            exists, entries = await self._request(*commands)
        if not exists:
            raise GoneError(id, _EVICTED)
        return _tail(id, entries) if entries else Tail([], after)

    async def take_over(self, id: str, fence: int, *, has_died: bool = False) -> bool:
        values = [fence, self.process, 2 * self._retention, id, int(has_died)]
        with decoding(id):
            reply = await self._script(TAKE_OVER, [_log(id), _DETACHED], values)
        if reply == b"gone":
            raise GoneError(id, _EVICTED)
        return bool(reply == b"taken")

    async def touch_reader(self, id: str) -> None:
        await self._probes.touch(id)

    async def reader_age(self, id: str) -> float:
        (left,) = await self._request(("PTTL", _reader(id)))
        return (self._reader_ttl - left) / 1000 if left > 0 else math.inf

    async def heartbeat(self, ended: Collection[str] = ()) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.set(_process(self.process), self._process_ttl - self._lease, px=self._process_ttl)
        if ended:
            pipeline.hdel(_DETACHED, *ended)
        await self._run(pipeline.execute())

    async def stranded(self) -> Sequence[TurnHeader]:
        headers = await self._script(STRANDED, [_DETACHED], [_log(""), _process(""), _turn("")])
        decoded = []
        for header in headers:
            with suppress(ValueError):
                decoded.append(decode_header(header))
        return decoded

    async def liveness(self, process: str) -> Liveness:
        return await self._probes.liveness(process)

    async def close(self) -> None:
        await self._poller.close()
        await self._probes.close()
        await self._commit.drain()
        with suppress(StoreError):
            await self._run(self._redis.set(_process(self.process), "left", px=self._process_ttl))
        await self._redis.aclose()

    async def _write(self, batch: Sequence[Append]) -> Sequence[AppendResult]:
        values: list[Any] = []
        for append in batch:
            has_ended = any(type(event) in ENDINGS for event in append.events[-1:])
            ttl = self._retention if has_ended else 2 * self._retention
            values += (_encode(append.after), _encode(append.end), encode_events(append.events), ttl)
        last = await self._run(self._append([_log(append.id) for append in batch], values))
        return [_outcome(append, id) for append, id in zip(batch, last, strict=True)]

    async def _poll(self, block: int, logs: Mapping[str, Cursor], _: Mapping[str, Cursor]) -> Sequence[Found]:
        streams: Any = {_log(id): _encode(after) for id, after in logs.items()}
        try:
            found = await self._run(self._redis.xread(streams, block=block))
        except _WrongTypeError:
            return await self._lost(logs)
        if not found and await self._run(self._redis.exists(*streams)) < len(streams):
            return await self._lost(logs)
        ids = [(log.decode().removeprefix(_log("")), entries) for log, entries in found or ()]
        return [Found(id, logs[id], _tail_or_error(id, entries)) for id, entries in ids]

    async def _lost(self, logs: Mapping[str, Cursor]) -> Sequence[Found]:
        """Find the logs that were evicted, and those that another program has replaced."""
        pipeline = self._redis.pipeline(transaction=False)
        for id in logs:
            pipeline.type(_log(id))
        types = await self._run(pipeline.execute())
        return [
            Found(id, after, GoneError(id, _EVICTED) if type == b"none" else damaged(id, repr(type)))
            for (id, after), type in zip(logs.items(), types, strict=True)
            if type != b"stream"
        ]

    async def _liveness(self, process: str) -> Liveness:
        key = _process(process)
        lease_end, ttl = await self._request(("GET", key), ("PTTL", key))
        if lease_end == b"left":
            return Liveness.LEFT
        is_alive = lease_end is not None and lease_end.isdigit() and ttl > int(lease_end)
        return Liveness.ALIVE if is_alive else Liveness.EXPIRED

    async def _touch_readers(self, ids: Collection[str]) -> None:
        await self._script(TOUCH, [*map(_reader, ids)], [self.process, self._reader_ttl])

    async def _script(self, text: str, keys: Sequence[str], values: Sequence[Any]) -> Any:
        (reply,) = await self._request(("EVAL", text, len(keys), *keys, *values))
        return reply

    async def _request(self, *commands: Sequence[Any], returns_wrong_types: bool = False) -> list[Any]:
        """Run commands, which share a connection with all others: so any number may wait at once.

        Args:
            commands: not a transaction.
            returns_wrong_types: that a key has another type is returned as a reply instead of raised.
        """
        with self._translated_errors():
            replies = await self._queue.run(*commands)
            for reply in replies:
                if isinstance(reply, Exception) and not (returns_wrong_types and _WRONG_TYPE in str(reply)):
                    raise reply
            return replies

    async def _run(self, command: Awaitable[Any]) -> Any:
        """Run a command in a task that is never cancelled: redis-py 8.1 can swallow a cancellation."""
        running = asyncio.ensure_future(command)
        self._commands.add(running)
        running.add_done_callback(self._forget)
        with self._translated_errors():
            return await asyncio.shield(running)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # redis-py raises more than its own errors when a connection is lost
            kind = _WrongTypeError if _WRONG_TYPE in str(error) else StoreError
            msg = f"the turn store {self._address} is unavailable: {_reason(error)}"
            raise kind(msg, public="the turn store is unavailable; try again later") from error

    def _forget(self, command: asyncio.Future[Any]) -> None:
        self._commands.discard(command)
        if not command.cancelled():
            command.exception()  # mark as retrieved, even if the caller was cancelled


def _reason(error: Exception) -> str:
    """Return the system's error message, which redis-py embeds in one of its own."""
    cause = error.__context__
    if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    return str(error)


def _turn(id: str) -> str:
    return f"headrace:turn:{id}"


def _request(owner: str, request_id: str) -> str:
    return f"headrace:request:{quote(owner, safe='')}:{request_id}"


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


def _outcome(append: Append, last: bytes) -> AppendResult:
    """Derive the result of an append from the last id of the log."""
    if not last:
        return GoneError(append.id, _EVICTED)
    if last == b"unknown":
        return GoneError(append.id, UNKNOWN)
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
