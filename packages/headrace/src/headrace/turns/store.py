"""Where turns are kept, so that they outlive their readers, the network and this process.

One interface, three implementations: `MemoryStore`, `SqliteStore`, `RedisStore`. A store holds, for every
turn, its header, the request, and its log; it never interprets what was said.

Who may write. A turn has a producer, the process whose fence is the highest. `take_over` raises the fence by
one, for exactly one process; from then on every append of the producer before is refused as `Fenced`. So a
process that was dead for a while can do no harm when it wakes.

Where one is. A `Cursor` is a fence and a position, which is the number of logged events so far. An append
names the cursor that it follows on: it cannot leave a gap, and can be repeated when nobody knows whether it
came through.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from headrace.errors import EngineError, RequestError
from headrace.turns.log import Logged

__all__ = [
    "Append",
    "Behind",
    "Cursor",
    "Fenced",
    "GoneError",
    "Liveness",
    "Outcome",
    "StoreError",
    "StoredTurn",
    "Tail",
    "TurnHeader",
    "TurnStore",
    "decode_events",
    "encode_events",
]


class Cursor(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in a log: `position` events have been logged, the last of them under `fence`."""

    fence: int
    position: int


class TurnHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a turn, longer than its log.

    Args:
        id: as in the chunks.
        owner: the id of the caller's key; "" where no keys are asked for.
        created: when it began, in seconds.
        request_id: the caller's idempotency key, if there was one.
        detached: nobody needs to read it: it is not cancelled when nobody does.
    """

    id: str
    owner: str
    created: int
    request_id: str = ""
    detached: bool = False


class Tail(NamedTuple):
    """What a log holds after a cursor.

    Args:
        events: in their order.
        cursor: where they end.
        producer: who writes now; "" if that has not changed.
    """

    events: list[Logged]
    cursor: Cursor
    producer: str = ""


class StoredTurn(NamedTuple):
    """A turn as it lies in the store.

    Args:
        header: what it is.
        body: its request, as it came.
        tail: its whole log.
        gone: why there is no log any more; "" while there is one.
    """

    header: TurnHeader
    body: bytes
    tail: Tail
    gone: str = ""


class StoreError(EngineError):
    """The store cannot be reached, or cannot write: 503, code 1234. Trying again may help."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=503)


class GoneError(RequestError):
    """The turn was, and is no more: 410 with the reason."""

    def __init__(self, id: str, reason: str) -> None:
        super().__init__(f"turn {id} cannot be read any more: {reason}; ask again", status=410)


class Fenced(Exception):  # noqa: N818 - not an error: another process goes on with the turn
    """Another process has taken the turn over."""


class Behind(Exception):  # noqa: N818 - not an error: the store has lost a part, which can be written again
    """The store holds only `position` events: it came back without the last ones."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


Outcome = None | Fenced | Behind | GoneError | StoreError


class Append(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Events to be saved.

    Args:
        id: of the turn.
        after: where the log ends as yet; its fence is the writer's.
        end: where it will end.
        events: to be saved; `Progress` among them is kept, and does not count.
        done: called once, with None if they are saved, or why they are not.
    """

    id: str
    after: Cursor
    end: Cursor
    events: Sequence[Logged]
    done: Callable[[Outcome], None]


class Liveness(enum.Enum):
    """What is known of a process."""

    ALIVE = "alive"
    SILENT = "silent"
    """No heartbeat for the length of a lease: it may be dead."""
    LEFT = "left"
    """It has said that it goes."""


class TurnStore(Protocol):
    """One process's way to the store. Every method but `append` raises `StoreError`."""

    process: str
    """The name under which this process produces turns; new with every start."""

    outlives_process: bool
    """Another process may go on with what this one began."""

    async def create(self, header: TurnHeader, body: bytes, *, replaces: str = "") -> str:
        """A new turn with this process as its producer, at cursor (1, 0); its id.

        If the owner has a turn with this `request_id` already, and it is not the one that `replaces`
        names, nothing is made: the id is that turn's.
        """
        ...

    async def load(self, id: str) -> StoredTurn | None:
        """Everything about a turn; None if there never was one, or too long ago."""
        ...

    def append(self, append: Append) -> None:
        """Save events. A turn has one append under way at a time."""
        ...

    async def follow(self, id: str, after: Cursor, wait: float) -> Tail:
        """What was logged after a cursor; waits up to `wait` seconds for it, then gives an empty tail.

        With `wait` 0 it has everything that any append before the call has saved.

        Raises:
            GoneError: the log was evicted.
        """
        ...

    async def take_over(self, id: str, fence: int) -> bool:
        """Become the producer under `fence`, if it is the next one; False if another process was first.

        Raises:
            GoneError: the log was evicted.
        """
        ...

    async def touch_reader(self, id: str) -> None:
        """Say that this process has a reader for a turn that it follows; good for the length of a lease."""
        ...

    async def has_reader(self, id: str) -> bool:
        """Whether another process has a reader for this turn."""
        ...

    async def beat(self) -> None:
        """Say that this process lives, which is good for the length of a lease; make room."""
        ...

    async def life(self, process: str) -> Liveness:
        """Whether a process lives."""
        ...

    async def close(self) -> None:
        """Say that this process goes, and let go of what is held. Never raises."""
        ...


encode_events: Final = msgspec.json.Encoder().encode
"""Events as JSON arrays: what a store keeps of an append."""

decode_events: Final = msgspec.json.Decoder(list[Logged]).decode
"""And back."""
