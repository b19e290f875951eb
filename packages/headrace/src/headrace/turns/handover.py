"""Handing turns over to the other processes of the store, while this process shuts down.

A turn stays until its end, or until the shutdown timeout, if another process could not continue its answer,
or if one of its clients would not ask there for the rest.
"""

import random
from typing import Final

from headrace.errors import HeadraceError, ShutdownError
from headrace.turns.continuation import check_continuable
from headrace.turns.turn import Turn

__all__ = ["can_hand_over", "hand_over", "shutting_down"]

_LONGEST_WAIT: Final = 3.0  # seconds; at random, so that not all clients return at once


def shutting_down() -> ShutdownError:
    """Return the error for a request that another server, or this one after its restart, can serve."""
    retry_after = random.uniform(0.0, _LONGEST_WAIT)  # noqa: S311 - no secret
    msg = "the server is shutting down; send the request again"
    return ShutdownError(msg, status=503, retry_after=retry_after)


def can_hand_over(turn: Turn) -> bool:
    """Return whether another process can continue the answer, and every reader here can read it there."""
    log = turn.log
    if log.is_finished or not all(reader.on_handover for reader in log.readers):
        return False
    try:
        check_continuable(turn.plan.engine, turn.plan.generation, log.events)
    except HeadraceError:
        return False
    return True


async def hand_over(turn: Turn, save_timeout: float) -> None:
    """Save the turn, release it, and let its readers change to another process."""
    await turn.close(save_timeout, releases=True)
    for reader in turn.log.readers:
        if reader.on_handover is not None:  # one that came meanwhile gets nothing more
            reader.on_handover()
