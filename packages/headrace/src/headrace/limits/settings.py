"""The options of limits: `[limits]`."""

from collections.abc import Callable
from typing import Annotated

import msgspec

from headrace.options import Seconds, describe, unit

__all__ = ["CurrentLimits", "LimitSettings"]

_REFUSED = "429: 1302, 429: 1303 or 429: 1305, by the limit that the turn waits for"
_Number = Annotated[int, unit("N", least=0)]


class LimitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many turns may run and wait, over all processes that share the store; 0: no limit.

    The limits of keys hold for each key that has none of its own (`headrace keys create`).
    """

    max_in_flight: Annotated[
        _Number, describe("turns that run at a time; further ones wait", reloads=True)
    ] = 0
    max_in_flight_per_model: Annotated[
        _Number, describe("turns of one model that run at a time; further ones wait", reloads=True)
    ] = 0
    max_in_flight_per_key: Annotated[
        _Number, describe("turns of one API key that run at a time; further ones wait", reloads=True)
    ] = 0
    requests_per_minute: Annotated[
        _Number,
        describe("turns of one API key that start within any minute; further ones wait", reloads=True),
    ] = 0
    tokens_per_5h: Annotated[
        _Number,
        describe(
            "tokens of one API key, prompts and answers, within any 5 hours; further turns wait", reloads=True
        ),
    ] = 0
    reserved_tokens: Annotated[
        _Number,
        describe(
            "tokens to reserve for an answer without max_tokens, until it ends and they are counted",
            reloads=True,
        ),
    ] = 4096
    max_queued: Annotated[
        _Number,
        describe(
            "turns that wait for a limit; further ones get status 429 (1302, 1303 or 1305)",
            at_limit=_REFUSED,
            reloads=True,
        ),
    ] = 100
    queue_timeout: Annotated[
        Seconds,
        describe(
            "how long a turn waits for a limit before it ends with error 1302, 1303 or 1305",
            at_limit=_REFUSED,
            reloads=True,
        ),
    ] = 60.0


CurrentLimits = Callable[[], LimitSettings]
"""Returns the settings in force, which can be replaced at any time."""
