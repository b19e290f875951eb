"""The options of turns: `[turns]`."""

from typing import Annotated, Literal

import msgspec

from headrace.options import Bytes, Seconds, describe, unit

__all__ = ["TurnSettings"]

_PositiveSeconds = Annotated[float, unit("SECONDS", least=0.1, most=1e9)]


class TurnSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where turns are stored, and for how long."""

    store: Annotated[
        str,
        describe(
            "turn store: memory, sqlite:FILE, or the URL of a Redis or Valkey server (redis://…, rediss://…,"
            " unix://…); several URLs, separated by commas, share the turns, and the first one has the limits"
            " and the issued keys",
            "STORE",
        ),
    ] = "memory"
    closed_store: Annotated[
        str,
        describe(
            "URLs, separated by commas, of further Redis or Valkey servers, whose turns are served and"
            " continued, but in which none are created: servers that will be part of --store, or were",
            "STORE",
            default="none",
        ),
    ] = ""
    store_size: Annotated[
        Bytes,
        describe(
            "size limit of all logs in a memory or SQLite store; above it, the oldest finished turns are"
            " evicted. Redis has its own limit, maxmemory"
        ),
    ] = 256 * 1024 * 1024
    store_retry_timeout: Annotated[
        Seconds,
        describe("how long to retry a failed write to the store while a turn is running; 0 disables retries"),
    ] = 10.0
    on_store_error: Annotated[
        Literal["fail", "continue"],
        describe(
            "what to do when the store is unavailable at the start of a turn, or still after the retries:"
            " fail ends the turn with an error, continue runs it without resume"
        ),
    ] = "fail"
    resume: Annotated[
        Literal["on-request", "always"],
        describe(
            "which turns are resumable: always means all; on-request means those whose request has the header"
            " X-Headrace-Resumable: 1 or a request_id"
        ),
    ] = "on-request"
    duplicates: Annotated[
        Literal["attach", "reject"],
        describe(
            "response to a repeated request with the same request_id while its turn is running: attach"
            " streams that turn, reject returns error 1231"
        ),
    ] = "attach"
    linger: Annotated[
        Seconds,
        describe(
            "how long a resumable turn continues after its last client disconnects; 0 cancels it immediately,"
            " or after --lease if other servers share the store"
        ),
    ] = 60.0
    max_linger: Annotated[
        Seconds,
        describe("the longest time that a request can choose instead of --linger, with X-Headrace-Linger"),
    ] = 3600.0
    max_answer_size: Annotated[
        Bytes,
        describe(
            "size limit of one answer's log; a larger answer ends with finish_reason network_error. Each"
            " chunk counts as its text plus 120 bytes",
            at_limit="the answer ends with `network_error`",
        ),
    ] = 64 * 1024 * 1024
    lease: Annotated[
        _PositiveSeconds,
        describe(
            "time without a heartbeat after which other servers consider a server dead and take over its"
            " turns; at least 0.1"
        ),
    ] = 3.0
    max_async: Annotated[
        int,
        unit("N", least=0),
        describe(
            "number of unfinished asynchronous requests; further ones get status 429 (1305)",
            at_limit="429: 1305",
        ),
    ] = 256
    max_async_per_key: Annotated[
        int,
        unit("N", least=0),
        describe(
            "number of unfinished asynchronous requests of one API key; further ones get status 429 (1302)."
            " Without API keys, only --max-async applies",
            at_limit="429: 1302",
        ),
    ] = 64
    retention: Annotated[
        _PositiveSeconds,
        describe(
            "how long to keep a turn's log after its last event, even if the turn is running; at least 0.1"
        ),
    ] = 3600.0
    tombstone_ttl: Annotated[
        float,
        unit("SECONDS", least=3600, most=1e9),
        describe(
            "how long to remember the id of an evicted turn, so that requests for it return 410 instead of"
            " 404; at least 3600, and longer than the longest turn, because Redis counts from a turn's start"
        ),
    ] = 86400.0
