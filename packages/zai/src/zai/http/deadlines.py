"""The time limits of a stream. They count events: a server's comments do not extend them."""

import math

import msgspec

from zai.arguments import SECONDS, check_argument, is_seconds

__all__ = ["Deadlines", "StreamTimeout"]


class StreamTimeout(msgspec.Struct, frozen=True):
    """Limits of a stream, in seconds; None for no limit.

    Args:
        first_chunk: from the request to the first event.
        idle: from one event to the next. Be generous: a model may reason for long.
        total: from the request to the end.
    """

    first_chunk: float | None = None
    idle: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            check_argument(f"StreamTimeout.{name}", value, SECONDS, valid=is_seconds(value))


class Deadlines:
    """The deadlines of one stream, by a clock that the caller reads.

    Args:
        limits: the stream's limits.
        now: when the request was sent for the first time.
    """

    def __init__(self, limits: StreamTimeout, now: float) -> None:
        self.idle = math.inf if limits.idle is None else limits.idle
        """The least number of seconds by which a new deadline lies ahead."""
        self._limits = limits
        self._end = math.inf if limits.total is None else now + limits.total
        self._first = self.idle if limits.first_chunk is None else limits.first_chunk
        self._started = False
        self._passed: str | None = None
        self.resume(now)

    def remaining(self, now: float) -> float:
        """Return the seconds until the next deadline, or infinity.

        A deadline that has passed stays passed even if an event comes: the read may be interrupted already.
        """
        remaining = min(self._next_event, self._end) - now
        if remaining <= 0 and self._passed is None:
            self._passed = self._name(now)
        return remaining

    def resume(self, now: float) -> None:
        """Start waiting for the next event."""
        self._next_event = now + (self.idle if self._started else self._first)

    def pause(self) -> None:
        """Stop the idle time while the caller processes an event."""
        self._next_event = math.inf
        self._started = True

    def expiry_reason(self, now: float) -> str | None:
        """Return a message about the limit that has passed, or None."""
        self.remaining(now)
        return self._passed

    def _name(self, now: float) -> str:
        if now >= self._end:
            return f"the stream did not end within {self._limits.total} s (StreamTimeout.total)"
        if self._started or self._limits.first_chunk is None:
            return f"no event came for {self._limits.idle} s (StreamTimeout.idle, or timeout=)"
        return f"no event came within {self._limits.first_chunk} s (StreamTimeout.first_chunk)"
