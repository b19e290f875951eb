"""A turn that is about to start, and its id."""

import secrets
import time
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from headrace.turns.plan import Plan
from headrace.turns.shards import PLACE_DIGITS, place_of
from headrace.turns.store import TurnHeader
from headrace.wire import ChatRequest, encode_request

__all__ = ["NewTurn", "new_turn_id"]

_BEIJING: Final = 8 * 3600  # seconds ahead of UTC


def new_turn_id(now: float, owner: str = "", request_id: str = "") -> str:
    """Generate an id like Z.ai's: `yyyyMMddHHmmss` in UTC+8, and 16 hexadecimal digits, at last its place."""
    random = secrets.token_hex(8 - PLACE_DIGITS // 2)
    return _timestamp(int(now) + _BEIJING) + random + place_of(owner, request_id)


@lru_cache(maxsize=1)
def _timestamp(seconds: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))


class NewTurn(NamedTuple):
    """A turn that is about to start."""

    header: TurnHeader
    plan: Plan

    @property
    def request(self) -> ChatRequest:
        return self.plan.generation.request

    @property
    def body(self) -> bytes:
        return encode_request(self.request)

    def renamed(self) -> "NewTurn":
        """Return the same turn with another id."""
        header = self.header
        id = new_turn_id(header.created, header.owner, header.request_id)
        return self._replace(header=msgspec.structs.replace(header, id=id))
