"""The interface of turn stores; `headrace.turns.stores` lists the implementations.

A store keeps a turn's header, request body and log. It never interprets the logged events.

Write access. Each turn has one producer: the process with the highest fence. `take_over` raises the fence
by one, for exactly one process; from then on the store rejects every append of the previous producer as
`Fenced`. A process that resumes after a pause therefore cannot corrupt a turn.

Positions. A `Cursor` is a fence and a position, the number of events logged so far. An append names the
cursor that it continues from, so that it cannot leave a gap, and can be retried safely when its reply was
lost.
"""

import enum
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import msgspec

from headrace.errors import EngineError, RequestError
from headrace.trace_context import TraceContext
from headrace.turns.entries import Logged
from headrace.turns.takeover import Takeover

__all__ = [
    "DAMAGED",
    "DELETED",
    "LOST",
    "NO_ROOM",
    "RETENTION_OVER",
    "UNKNOWN",
    "Append",
    "AppendResult",
    "Behind",
    "Cursor",
    "Fenced",
    "Followed",
    "GoneError",
    "Liveness",
    "StoreError",
    "StoredTurn",
    "Tail",
    "TurnHeader",
    "TurnStore",
    "UnusableStoreError",
    "damaged",
    "decode_header",
    "decode_turn",
    "decoding",
]

_LOGGER = logging.getLogger("headrace.turns")


class Cursor(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in a log: `position` events have been logged, the last of them under `fence`."""

    fence: int
    position: int


class TurnHeader(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The metadata of a turn, kept longer than its log.

    Args:
        id: as in the chunks.
        owner: id of the caller's API key; "" if the server has no keys.
        created: Unix time in seconds.
        request_id: the caller's idempotency key; "" if there is none.
        detached: the turn needs no reader, and is never cancelled for lack of one.
        linger: seconds for which the turn continues without a reader; None for those of the settings.
        trace: the client's span.
    """

    id: str
    owner: str
    created: int
    request_id: str = ""
    detached: bool = False
    linger: float | None = None
    trace: TraceContext | None = None


decode_header: Final = msgspec.json.Decoder(TurnHeader).decode
"""Decode a header as a store has it."""


class Tail(NamedTuple):
    """The part of a log after a cursor.

    Args:
        events: in log order.
        cursor: the end of the log.
        takeovers: those after the cursor's fence; the last one is the current producer's.
    """

    events: list[Logged]
    cursor: Cursor
    takeovers: Sequence[Takeover] = ()


class StoredTurn(NamedTuple):
    """A turn as kept in the store.

    Args:
        header: its metadata; of an evicted turn, perhaps only id and owner.
        body: the request body as received.
        tail: the complete log.
        evicted: the reason why the log was evicted; "" if it is still there.
    """

    header: TurnHeader
    body: bytes
    tail: Tail
    evicted: str = ""


class StoreError(EngineError):
    """The store is unreachable or cannot write: 503, code 1234. A retry may succeed."""

    def __init__(self, message: str, *, public: str = "") -> None:
        super().__init__(message, status=503, public=public)


class UnusableStoreError(StoreError):
    """The store can never work: the server does not start with it."""


class GoneError(RequestError):
    """The turn's log was evicted: 410, with the reason."""

    def __init__(self, id: str, reason: str) -> None:
        super().__init__(f"turn {id} is no longer available: {reason}; send the request again", status=410)
        self.reason = reason


# Reasons of a `GoneError`.
RETENTION_OVER: Final = "its retention time is over"
NO_ROOM: Final = "it was evicted to make room for newer turns"
DELETED: Final = "it was deleted"
UNKNOWN: Final = "the turn store does not have it any more"
DAMAGED: Final = "the turn store has damaged it"
LOST: Final = "the turn store has lost events that were sent already, and the rest of the answer differs"


@contextmanager
def decoding(id: str) -> Iterator[None]:
    """Report that the store has something else than what was saved for a turn.

    Raises:
        GoneError: the turn is damaged.
    """
    try:
        yield
    except GoneError:
        raise
    except (RequestError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise damaged(id, repr(error)) from None


def damaged(id: str, what: str) -> GoneError:
    """Return the error for a turn that the store has damaged, and log it once."""
    _log_damage(id, what)
    return GoneError(id, DAMAGED)


@lru_cache(maxsize=1000)
def _log_damage(id: str, what: str) -> None:
    _LOGGER.error("the turn store has damaged a turn: %s", what, extra={"turn": id})


class Fenced(Exception):  # noqa: N818 - an outcome, not an error
    """Another process has taken over the turn."""


class Behind(Exception):  # noqa: N818 - an outcome, not an error
    """The store has lost the events after `position`; they must be written again."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def decode_turn(
    id: str, header: bytes, evicted: str, read_log: Callable[[], tuple[bytes, Tail]]
) -> StoredTurn | None:
    """Decode a turn as a store has it; None if it is damaged so much that its owner is unknown.

    Args:
        id: of the turn.
        header: JSON.
        evicted: the reason why the log was evicted; "" if it is still there.
        read_log: returns the body and the log.
    """
    body, tail = b"", Tail([], Cursor(0, 0))
    try:
        with decoding(id):
            decoded = decode_header(header)
    except GoneError:
        return None
    try:
        with decoding(id):
            body, tail = (body, tail) if msgspec.convert(evicted, str) else read_log()
    except GoneError:
        evicted = DAMAGED
    return StoredTurn(decoded, body, tail, evicted)


AppendResult = None | Fenced | Behind | GoneError | StoreError
"""None if the events are saved, else the reason why not."""


class Append(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A request to save events.

    Args:
        id: of the turn.
        after: the cursor that the events follow; its fence is the writer's.
        end: the cursor after the events.
        events: the events; a `Progress` is stored, but does not count as a position.
        done: callback for the result, called exactly once.
    """

    id: str
    after: Cursor
    end: Cursor
    events: Sequence[Logged]
    done: Callable[[AppendResult], None]


class Liveness(enum.Enum):
    """The state of a process, by its heartbeat."""

    ALIVE = "alive"
    EXPIRED = "expired"
    """The lease has run out without a heartbeat; the process may be dead."""
    LEFT = "left"
    """The process has shut down in order."""


class Followed(Protocol):
    """A turn that this process follows."""

    id: str

    @property
    def producer(self) -> str:
        """The process that produces it; "" if it is not known yet."""
        ...

    def take_reader(self) -> bool:
        """Return whether it has had a reader here since the previous call."""
        ...

    def wake(self) -> None:
        """Find out whether the producer is alive."""
        ...


class TurnStore(Protocol):
    """A process's connection to the store. Every method but `append` and `close` raises `StoreError`."""

    process: str
    """The id of this process as a producer; new at every start."""

    outlives_process: bool
    """Whether another process can continue the turns of this one."""

    def time_writes(self, report: Callable[[float], object]) -> None:
        """Report the seconds that each write of events takes."""
        ...

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        """Create a turn at cursor (1, 0) with this process as the producer; return its id.

        If the owner already has a turn with this `request_id`, other than `replaces`, create nothing and
        return the id of that turn.
        """
        ...

    async def find(self, owner: str, request_id: str) -> str | None:
        """Return the id of the owner's turn with this `request_id`; None if there is none."""
        ...

    async def load(self, id: str) -> StoredTurn | None:
        """Load a turn; None if it never existed or its tombstone has expired."""
        ...

    def append(self, append: Append) -> None:
        """Save events. A turn has at most one append in flight."""
        ...

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        """Return the log after a cursor; wait up to `wait` seconds for it, then return an empty tail.

        With `wait` 0 the tail includes everything that was saved before the call.

        Raises:
            GoneError: the log was evicted.
        """
        ...

    def wake(self, id: str) -> None:
        """Let a `follow` that waits for this turn in this process return at once."""
        ...

    def watch(self, turn: Followed) -> None:
        """Wake a turn while its producer is not alive, and record its readers here while it is."""
        ...

    def unwatch(self, turn: Followed) -> None:
        """Watch a turn no longer."""
        ...

    async def take_over(self, id: str, fence: int, *, has_died: bool = False) -> bool:
        """Become the producer under `fence`, if that is the next fence; False if another process was first.

        `has_died` is recorded: whether the previous producer had died.

        Raises:
            GoneError: the log was evicted.
        """
        ...

    async def release(self, id: str, fence: int) -> None:
        """Raise the fence to `fence`, if that is the next one, without a new producer: anyone may take over.

        Raises:
            GoneError: the log was evicted.
        """
        ...

    async def delete(self, id: str) -> None:
        """Evict the log of a turn that has ended, for its owner; nothing happens if it is evicted already."""
        ...

    async def touch_reader(self, id: str) -> None:
        """Record that this process has a reader for a turn that it follows, within a twelfth of a lease."""
        ...

    async def reader_age(self, id: str) -> float:
        """Return the seconds since another process had a reader for this turn.

        `math.inf` if that was longer ago than `linger` and two leases, or never.
        """
        ...

    async def heartbeat(self, ended: Collection[str] = ()) -> None:
        """Renew the lease of this process, and evict logs that are too old or too large.

        Args:
            ended: detached turns that need no producer any more.
        """
        ...

    async def running(self, owner: str) -> Sequence[TurnHeader]:
        """Return the unfinished turns of an owner, whichever process produces them."""
        ...

    async def stranded(self) -> Sequence[TurnHeader]:
        """Return the unfinished detached turns whose producer is not alive: they may have no reader."""
        ...

    async def liveness(self, process: str) -> Liveness:
        """Return the liveness of a process, at most a sixtieth of a lease ago; that of "" is `LEFT`."""
        ...

    async def close(self) -> None:
        """Record that this process leaves, and release all resources. Never raises."""
        ...
