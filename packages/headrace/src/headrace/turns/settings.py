"""What an operator decides about turns."""

import re
from typing import Annotated, Literal

import msgspec

__all__ = ["TurnSettings", "without_secrets"]

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
_SomeTime = Annotated[float, msgspec.Meta(ge=0.1, le=1e9)]


class TurnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long turns live, and where.

    Args:
        store: `memory`, `sqlite:FILE`, or the URL of a Redis or Valkey: `redis://…`, `rediss://…`, `unix://…`.
        store_size: bytes of logs in a memory or SQLite store; the oldest that have ended go first. Redis has
            its own limit, `maxmemory`.
        store_retry_timeout: seconds for which a store that fails is asked again, in the middle of a turn.
        on_store_error: what then happens, and at once where a turn cannot begin: `fail` ends it with an
            error, `continue` goes on without resume.
        resume: `on-request` makes those turns resumable that ask for it, `always` all of them.
        duplicates: a `request_id` that is still running: `attach` gives the same turn, `reject` code 1231.
        linger: seconds that a resumable turn goes on when nobody reads it.
        lease: seconds without a sign of life after which a process counts as dead.
        retention: seconds that a log is kept after its last event.
        tombstone_ttl: seconds for which a turn without its log is told from one that never was; longer than
            any turn, as Redis counts them from its beginning.
    """

    store: str = "memory"
    store_size: Annotated[int, msgspec.Meta(ge=1)] = 256 * 1024 * 1024
    store_retry_timeout: _Seconds = 10.0
    on_store_error: Literal["fail", "continue"] = "fail"
    resume: Literal["on-request", "always"] = "on-request"
    duplicates: Literal["attach", "reject"] = "attach"
    linger: _Seconds = 60.0
    lease: _SomeTime = 6.0
    retention: _SomeTime = 3600.0
    tombstone_ttl: Annotated[float, msgspec.Meta(ge=3600, le=1e9)] = 86400.0


def without_secrets(store: str) -> str:
    """What may be shown of a store's name: no user, no password, and no query, which may hold both."""
    return re.sub(r"(://)(?:[^?#]*@)?([^?#]*).*", r"\1\2", store)
