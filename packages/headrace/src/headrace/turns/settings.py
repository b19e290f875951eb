"""What an operator decides about turns."""

import re
from typing import Annotated, Literal

import msgspec

from headrace.options import Bytes, Seconds, describe, unit

__all__ = ["TurnSettings", "without_secrets"]

_SomeSeconds = Annotated[float, unit("SECONDS", least=0.1, most=1e9)]


class TurnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long turns live, and where."""

    store: Annotated[
        str,
        describe(
            "where turns are kept: memory, sqlite:FILE, or the URL of a Redis or Valkey (redis://…, rediss://…,"
            " unix://…)",
            "STORE",
        ),
    ] = "memory"
    store_size: Annotated[
        Bytes,
        describe(
            "size limit of the logs in a memory or SQLite store; beyond it the oldest finished turns are"
            " evicted. Redis has its own limit, maxmemory"
        ),
    ] = 256 * 1024 * 1024
    store_patience: Annotated[
        Seconds, describe("how long a failed write to the store is retried in mid-turn; 0 means no retry")
    ] = 10.0
    store_failure: Annotated[
        Literal["fail", "go-on"],
        describe(
            "what a turn does when the store still fails, or fails as the turn starts: fail ends it with an"
            " error, go-on continues it without resume"
        ),
    ] = "fail"
    resume: Annotated[
        Literal["asked", "always"],
        describe("which turns are resumable: asked means those whose request asks for it, always means all"),
    ] = "asked"
    duplicates: Annotated[
        Literal["join", "refuse"],
        describe(
            "answer to a request whose request_id is still running: join returns the same turn, refuse is"
            " error 1231"
        ),
    ] = "join"
    linger: Annotated[
        Seconds,
        describe(
            "how long a resumable turn runs on without a reader; 0 cancels it at once, or after"
            " --lease if other servers share the store"
        ),
    ] = 60.0
    lease: Annotated[
        _SomeSeconds,
        describe(
            "silence after which other servers take a process for dead and take over its turns; at least 0.1"
        ),
    ] = 6.0
    retention: Annotated[
        _SomeSeconds, describe("how long a log is kept after its last event; at least 0.1")
    ] = 3600.0
    remembrance: Annotated[
        float,
        unit("SECONDS", least=3600, most=1e9),
        describe(
            "how long the id of an evicted turn is remembered, so that it answers 410 and not 404; at least"
            " 3600, and longer than any turn, because Redis counts from its start"
        ),
    ] = 86400.0


def without_secrets(store: str) -> str:
    """What may be shown of a store's name: no user, no password, and no query, which may hold both."""
    return re.sub(r"(://)(?:[^?#]*@)?([^?#]*).*", r"\1\2", store)
