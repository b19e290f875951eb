"""Timeouts for any engine: time to first token, idle time and total time.

    first token   no event yet                      an error with status 504
    idle          no event since the previous one   the end of the stream (docs/wire.md, 2.4)
    total         regardless of events              the same

There is one timer per timeout, not one per event: when it fires, it checks how long ago the last event was.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec

from headrace.engines.base import Engine, Generation
from headrace.errors import EngineError
from headrace.events import Event, Progress

__all__ = ["TimeoutEngine", "Timeouts"]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Timeouts in seconds; 0 disables one.

    Args:
        first_token: until the first token, including the time in a queue and for the prompt. A heartbeat
            restarts it.
        idle: between two events or heartbeats.
        total: for the whole generation.
    """

    first_token: float = 300.0
    idle: float = 120.0
    total: float = 0.0


class TimeoutEngine:
    """An engine that is aborted on a timeout.

    Args:
        engine: closed with this one.
        timeouts: its timeouts.
    """

    def __init__(self, engine: Engine, timeouts: Timeouts) -> None:
        self._engine = engine
        self._timeouts = timeouts

    @property
    def continues(self) -> bool:
        """Whether the engine can continue a partial answer."""
        return self._engine.continues

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """Emit the engine's events, without its heartbeats.

        Raises:
            EngineError: 504, a timeout.
        """
        watchdog = _Watchdog(self._timeouts)
        try:
            async with aclosing(self._engine.generate(generation)) as stream:
                while (events := await watchdog.wait(stream)) is not None:
                    if events:
                        yield events
        finally:
            watchdog.close()

    async def check(self) -> None:
        """Check the engine."""
        await self._engine.check()

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


class _Watchdog:
    """Cancels the task in `wait` on a timeout."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._loop = asyncio.get_running_loop()
        self._started_at = self._last_event_at = self._loop.time()
        self._has_output = False
        self._waiting: asyncio.Task[object] | None = None
        self._error = ""
        # Re-check at least this often: the next deadline may change.
        self._interval = min(filter(None, (timeouts.first_token, timeouts.idle, timeouts.total)), default=0.0)
        self._timer = self._loop.call_later(self._interval, self._check) if self._interval else None

    async def wait(self, stream: AsyncGenerator[list[Event], None]) -> list[Event] | None:
        """Return the next events; None at the end."""
        self._waiting = task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        try:
            events = await anext(stream, None)
        except asyncio.CancelledError:
            if self._error and task.uncancel() <= cancelling:
                raise EngineError(self._error, status=504) from None
            raise
        finally:
            self._waiting = None
        if self._has_output or not (events and isinstance(events[-1], Progress)):
            self._has_output |= bool(events)
            self._last_event_at = self._loop.time()
        return events

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        """Cancel the task on a timeout; otherwise schedule the next check."""
        now = self._loop.time()
        silence = self._timeouts.idle if self._has_output else self._timeouts.first_token
        total = self._timeouts.total
        silence_left = silence - (now - self._last_event_at) if silence else self._interval
        total_left = total - (now - self._started_at) if total else self._interval
        left = min(silence_left, total_left)
        if left > 0:
            self._timer = self._loop.call_later(min(left, self._interval), self._check)
        elif self._waiting is None:  # the reader is slow, not the engine
            self._timer = self._loop.call_later(self._interval, self._check)
        else:
            self._error = (
                f"the model sent nothing for {silence:g} s"
                if silence_left <= 0
                else f"the model did not finish within {total:g} s"
            )
            self._waiting.cancel()
