"""What a turn asks for, a place among the running ones and tokens of its key's window, and the answers."""

from typing import Final, NamedTuple

import msgspec

__all__ = ["UNAVAILABLE", "Decision", "Granted", "KeyLimits", "Lost", "Refused", "Ticket", "Usage", "Waiting"]


UNAVAILABLE: Final = "1221"
"""The code of a `Refused` whose reason is not a limit: the store is unavailable."""


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one API key; 0: none."""

    in_flight: int = 0
    requests_per_minute: int = 0
    tokens_per_5h: int = 0


class Ticket(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A request to run a turn.

    Args:
        id: of the turn.
        key: the id of its API key; "" if the server has no keys.
        user: the `user_id` of the request; "" if there is none.
        model: the model's canonical name.
        prompt: the tokens of the prompt, counted or estimated.
        answer: the tokens to reserve for the answer: `max_tokens`, or a default.
        limits: those of the key.
        is_continued: another process has run it, so that it goes before new ones.
    """

    id: str
    key: str
    user: str
    model: str
    prompt: int
    answer: int
    limits: KeyLimits
    is_continued: bool = False


class Granted(msgspec.Struct, frozen=True):
    """The turn has a slot: start it. It is charged for the prompt and the reserved answer."""


class Waiting(NamedTuple):
    """The turn waits.

    Args:
        position: 1 for the turn that starts next, if nothing else arrives and every limit has room for it.
            The first that is reported is the number of all waiting turns; the exact one follows.
        refusal: the error to report if it is not to wait any longer.
    """

    position: int
    refusal: "Refused"


class Refused(NamedTuple):
    """The turn may not wait, or could never start.

    Args:
        code: of `headrace.errors`: "1214" or "1261" if it could never start (do not retry); "1302" for the
            turns in flight of its key, "1303" for its requests and tokens, "1305" for the model or the
            server; `UNAVAILABLE`.
        message: names the limit, its value and what to do.
        retry_after: seconds until it could start at the earliest, without jitter; 0 if it never can.
    """

    code: str
    message: str
    retry_after: float


class Lost(msgspec.Struct, frozen=True):
    """Another process has taken the turn over, or its slot was given away after its lease: end the turn."""


Decision = Granted | Waiting | Refused | Lost


class Usage(NamedTuple):
    """What a key uses of its limits.

    Args:
        in_flight: turns that run.
        requests: those that started within the last minute.
        tokens: those charged or reserved within the last 5 hours.
        requests_reset: seconds until none of these requests counts any more.
        tokens_reset: seconds until none of these tokens counts any more.
    """

    in_flight: int
    requests: int
    tokens: int
    requests_reset: float
    tokens_reset: float
