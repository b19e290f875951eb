"""Several stores that share the turns: which one has which turn.

The last digits of a turn's id, its *place*, decide by rendezvous hashing in which order the shards come for
it. A new turn is created in the first one that is up. It is looked for in the first one, then in all others:
so a turn stays where it is when shards are added, and the ids need no name of a shard. The place of a turn
that has a `request_id` follows from that, so that a repeated request comes to the same shard.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple, TypeVar

from headrace.turns.shard import Shard
from headrace.turns.store import StoredTurn, StoreError, TurnHeader, TurnStore

__all__ = ["PLACE_DIGITS", "Found", "Shards", "place_of"]

T = TypeVar("T")

PLACE_DIGITS: Final = 4


class Found(NamedTuple):
    """A stored turn, and where it is."""

    turn: StoredTurn
    shard: Shard


def place_of(owner: str, request_id: str) -> str:
    """Return the hexadecimal digits with which the id of a turn ends: at random without a `request_id`."""
    if not request_id:
        return secrets.token_hex(PLACE_DIGITS // 2)
    return _hash(owner, request_id).hex()[:PLACE_DIGITS]


class Shards:
    """The stores of a process.

    Args:
        shards: at least one; their names differ.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = shards

    @classmethod
    def of(cls, store: "TurnStore | Shards") -> "Shards":
        """Return shards as they are, or a store as the only shard."""
        return store if isinstance(store, Shards) else cls([Shard(store)])

    def __iter__(self) -> Iterator[Shard]:
        return iter(self._shards)

    def __len__(self) -> int:
        return len(self._shards)

    @property
    def outlive_process(self) -> bool:
        """Whether another process can continue the turns of this one."""
        return self._shards[0].store.outlives_process

    @property
    def failure(self) -> str:
        """Why no turn can be created; "" if one can."""
        failures = [shard.failure for shard in self._shards if shard.takes_new]
        return failures[0] if all(failures) else ""

    def shard_of(self, store: TurnStore | None) -> Shard:
        """Return the shard with this store."""
        return next(shard for shard in self._shards if shard.store is store)

    def for_new(self, id: str, *, or_down: bool = False) -> Sequence[Shard]:
        """Return the shards in which a turn may be created, the best first.

        Args:
            id: of the turn.
            or_down: include those that are down, although others are not.
        """
        all_open = [shard for shard in self._order(id) if shard.takes_new]
        up = [shard for shard in all_open if or_down or not shard.error]
        return up or all_open[:1]

    async def load(self, id: str) -> Found | None:
        """Load a turn; None if no shard has it.

        Raises:
            StoreError: it was not found, and a shard that may have it is unavailable.
        """
        found = await self._search(id, lambda store: store.load(id))
        return None if found is None else Found(found[0], found[1])

    async def find(self, owner: str, request_id: str) -> tuple[str, Shard] | None:
        """Return the id of the owner's turn with this `request_id`, and where it is; as `load`."""
        return await self._search(place_of(owner, request_id), lambda store: store.find(owner, request_id))

    async def running(self, owner: str) -> Sequence[TurnHeader]:
        """Return the unfinished turns of an owner, the oldest first.

        Raises:
            StoreError: a shard is unavailable, so that some may be missing.
        """
        lists = await asyncio.gather(*(shard.store.running(owner) for shard in self._shards))
        return sorted(chain(*lists), key=lambda header: (header.created, header.id))

    async def close(self) -> None:
        """Close the stores. Never raises."""
        await asyncio.gather(*(shard.store.close() for shard in self._shards))

    async def _search(
        self, id: str, look: Callable[[TurnStore], Awaitable[T | None]]
    ) -> tuple[T, Shard] | None:
        order = self._order(id)
        up = [shard for shard in order if not shard.error] or order
        failures = [StoreError(shard.error, public=shard.error) for shard in order if shard not in up]
        for asked in (up[:1], up[1:]):
            results = await asyncio.gather(*(_ask(shard, look) for shard in asked), return_exceptions=True)
            for shard, result in zip(asked, results, strict=True):
                if isinstance(result, StoreError):
                    failures.append(result)
                elif isinstance(result, BaseException):
                    raise result
                elif result is not None:
                    return result, shard
        if failures:
            raise failures[0]
        return None

    def _order(self, id: str) -> Sequence[Shard]:
        if len(self._shards) == 1:
            return self._shards
        place = id[-PLACE_DIGITS:]
        return sorted(self._shards, key=lambda shard: _hash(shard.name, place))


async def _ask(shard: Shard, look: Callable[[TurnStore], Awaitable[T | None]]) -> T | None:
    await shard.beat_first()
    return await look(shard.store)


def _hash(*texts: str) -> bytes:
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=8).digest()
