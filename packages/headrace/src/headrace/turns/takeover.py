"""The takeovers of a turn: which process has produced which part of its log.

Two things follow from them. An event id is a number: the epoch of the producer plus the ordinal of the event,
so that an id of events that a store has lost differs from those of the events that replaced them. And a
request that ends every process that runs it is noticed: its producers die without having logged anything.
"""

import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec

__all__ = ["DEADLY", "MAX_SILENT_DEATHS", "Takeover", "ordinal_of", "silent_deaths"]

MAX_SILENT_DEATHS: Final = 3
"""So many producers in a row may die without having logged an event; then the turn ends."""

DEADLY: Final = f"{MAX_SILENT_DEATHS} servers in a row have died without any output of this answer"
"""The error of such a turn."""

_EPOCH: Final = 10**9  # more than a log has events
_PROCESSES: Final = 10**5
_FIRST_EPOCH: Final = 2 * _PROCESSES * _EPOCH  # after epoch 0


class Takeover(msgspec.Struct, frozen=True, gc=False):
    """A change of the producer; the first one is the creation of the turn.

    Args:
        fence: of the new producer.
        position: the number of events logged before.
        process: the new producer.
        has_died: whether the producer before it had died, instead of leaving in order.
    """

    fence: int
    position: int
    process: str
    has_died: bool = False

    @property
    def epoch(self) -> int:
        """What the producer's event ids begin with: 0 for the first one; greater for a greater fence.

        It depends on the process too: a store can lose a takeover as well, and then give its fence again.
        """
        if self.fence == 1:
            return 0
        return (self.fence * _PROCESSES + zlib.crc32(self.process.encode()) % _PROCESSES) * _EPOCH


def ordinal_of(event_id: int) -> int:
    """Return the ordinal in an event id."""
    return event_id % _EPOCH if event_id >= _FIRST_EPOCH else event_id


def silent_deaths(takeovers: Sequence[Takeover], position: int) -> int:
    """Count the producers that have died in a row without logging anything.

    Args:
        takeovers: all of the turn.
        position: the number of events logged so far.
    """
    return sum(later.has_died for earlier, later in pairwise(takeovers) if earlier.position == position)
