"""How long a stream may take: limits that count events: a server's comments do not extend them."""

import math

import msgspec

from zai.arguments import SECONDS, check_argument, is_seconds

__all__ = ["Deadlines", "StreamTimeout"]


class StreamTimeout(msgspec.Struct, frozen=True):
    """Limits of a stream in seconds; None is no limit.

    Args:
        first_chunk: from the request to the first event.
        idle: from one event to the next. Models think long: be generous.
        total: from the request to the end.
    """

    first_chunk: float | None = None
    idle: float | None = None
    total: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            check_argument(f"StreamTimeout.{name}", value, SECONDS, valid=is_seconds(value))


class Deadlines:
    """The limits of one stream, against a clock that the caller reads.

    Args:
        limits: in seconds.
        now: when the request was sent for the first time.
    """

    def __init__(self, limits: StreamTimeout, now: float) -> None:
        self.idle = math.inf if limits.idle is None else limits.idle
        """A deadline that is set from now on lies so many seconds ahead, or more."""
        self._limits = limits
        self._end = math.inf if limits.total is None else now + limits.total
        self._first = self.idle if limits.first_chunk is None else limits.first_chunk
        self._started = False
        self._passed: str | None = None
        self.resume(now)

    def remaining(self, now: float) -> float:
        """Seconds until the first of the limits has passed; infinity if none ever will.

        One that has passed is not forgotten, even if an event comes: the reading may be interrupted already.
        """
        remaining = min(self._next_event, self._end) - now
        if remaining <= 0 and self._passed is None:
            self._passed = self._name(now)
        return remaining

    def resume(self, now: float) -> None:
        """The next event is waited for."""
        self._next_event = now + (self.idle if self._started else self._first)

    def pause(self) -> None:
        """An event came, and the caller is busy with it: that time does not count as idle."""
        self._next_event = math.inf
        self._started = True

    def expiry_reason(self, now: float) -> str | None:
        """Which limit has passed; None as long as none has."""
        self.remaining(now)
        return self._passed

    def _name(self, now: float) -> str:
        if now >= self._end:
            return f"the stream did not end within {self._limits.total} s (StreamTimeout.total)"
        if self._started or self._limits.first_chunk is None:
            return f"no event came for {self._limits.idle} s (StreamTimeout.idle, or timeout=)"
        return f"no event came within {self._limits.first_chunk} s (StreamTimeout.first_chunk)"
