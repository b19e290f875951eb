"""Which limit a turn has reached, as a client reads it."""

import math
from enum import Enum

from headrace.limits.fair_queue import Entry
from headrace.limits.settings import LimitSettings
from headrace.limits.ticket import Refused, Ticket

__all__ = ["Limit", "impossible", "refuse"]

_RETRY_AFTER = 2.0  # seconds; when a turn ends is unknown


class Limit(Enum):
    """A limit for which turns wait: its error code and its name."""

    SERVER = "1305", "turns in flight"
    MODEL = "1305", "turns in flight of this model"
    IN_FLIGHT = "1302", "turns in flight of {owner}"
    REQUESTS = "1303", "requests per minute of {owner}"
    TOKENS = "1303", "tokens per 5 hours of {owner}"


def refuse(limit: Limit, settings: LimitSettings, turn: Entry, wait: float) -> Refused:
    """Return the error of a turn that may not wait.

    Args:
        limit: the one that it has reached.
        settings: the limits of the server.
        turn: has those of its key.
        wait: seconds until its key's windows have room for it; 0 if they have.
    """
    value = {
        Limit.SERVER: settings.max_in_flight,
        Limit.MODEL: settings.max_in_flight_per_model,
        Limit.IN_FLIGHT: turn.in_flight,
        Limit.REQUESTS: turn.requests_per_minute,
        Limit.TOKENS: turn.tokens_per_5h,
    }[limit]
    wait = wait or _RETRY_AFTER
    text = f"{_name(limit, turn.key, value)} is reached; retry in {math.ceil(wait)} s"
    return Refused(limit.value[0], text, wait)


def impossible(ticket: Ticket) -> Refused | None:
    """Return the error of a turn that could never start; None if it could."""
    limit = ticket.limits.tokens_per_5h
    if not limit or ticket.prompt + ticket.answer <= limit:
        return None
    name = _name(Limit.TOKENS, ticket.key, limit)
    if ticket.prompt > limit:
        return Refused("1261", f"the prompt ({ticket.prompt} tokens) exceeds {name}; shorten it", 0.0)
    text = f"the prompt ({ticket.prompt} tokens) and the answer (up to {ticket.answer}) exceed {name}"
    return Refused("1214", f"{text}; lower max_tokens", 0.0)


def _name(limit: Limit, key: str, value: int) -> str:
    owner = "this API key" if key else "all clients together"
    name = limit.value[1].replace("{owner}", owner)
    return f"the limit of {name} ({value})"
