"""Three clocks over any engine: until the first token, between two, and in all. Never a hang.

    first token   nothing was said yet             an error with status 504
    idle          something was said, then silence the stream's ending (docs/wire.md, 2.4)
    total         however much was said            the same

One timer a span, not one a piece: it looks when it is due at how long the silence has lasted.
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
    """Seconds; 0 switches a clock off.

    Args:
        first_token: until the first token, waiting for a slot and reading the prompt included; starts
            anew with each chunk of a server that says nothing yet.
        idle: between two signs of life.
        total: from beginning to end.
    """

    first_token: float = 300.0
    idle: float = 120.0
    total: float = 0.0


class TimeoutEngine:
    """An engine that is interrupted when it takes too long.

    Args:
        engine: closed with this one.
        clocks: how long is too long.
    """

    def __init__(self, engine: Engine, clocks: Timeouts) -> None:
        self._engine = engine
        self._clocks = clocks

    @property
    def continues(self) -> bool:
        """As the engine."""
        return self._engine.continues

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """What the engine says, without its mere signs of life.

        Raises:
            EngineError: a clock ran out.
        """
        watch = _Watch(self._clocks)
        try:
            async with aclosing(self._engine.generate(generation)) as stream:
                while (events := await watch.wait(stream)) is not None:
                    if events:
                        yield events
        finally:
            watch.close()

    async def check(self) -> None:
        """Check the engine."""
        await self._engine.check()

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()


class _Watch:
    """Interrupts the task that waits in `wait` for too long."""

    def __init__(self, clocks: Timeouts) -> None:
        self._clocks = clocks
        self._loop = asyncio.get_running_loop()
        self._began = self._heard = self._loop.time()
        self._has_spoken = False
        self._waiting: asyncio.Task[object] | None = None
        self._expired = ""
        # Which clock is the next one to run out may change before this much time has passed.
        self._span = min(filter(None, (clocks.first_token, clocks.idle, clocks.total)), default=0.0)
        self._timer = self._loop.call_later(self._span, self._look) if self._span else None

    async def wait(self, stream: AsyncGenerator[list[Event], None]) -> list[Event] | None:
        """The next events; None at the end."""
        self._waiting = task = asyncio.current_task()
        assert task is not None
        cancelling = task.cancelling()
        try:
            events = await anext(stream, None)
        except asyncio.CancelledError:
            if self._expired and task.uncancel() <= cancelling:
                raise EngineError(self._expired, status=504) from None
            raise
        finally:
            self._waiting = None
        if self._has_spoken or not (events and isinstance(events[-1], Progress)):
            self._has_spoken |= bool(events)
            self._heard = self._loop.time()
        return events

    def close(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        """Interrupt if a clock has run out; otherwise look again when the next one could."""
        now = self._loop.time()
        silence = self._clocks.idle if self._has_spoken else self._clocks.first_token
        total = self._clocks.total
        silence_left = silence - (now - self._heard) if silence else self._span
        total_left = total - (now - self._began) if total else self._span
        left = min(silence_left, total_left)
        if left > 0:
            self._timer = self._loop.call_later(min(left, self._span), self._look)
        elif self._waiting is None:  # the reader is slow, not the engine
            self._timer = self._loop.call_later(self._span, self._look)
        else:
            over = (
                f"said nothing for {silence:g} s" if silence_left <= 0 else f"was not done after {total:g} s"
            )
            self._expired = f"the model {over}"
            self._waiting.cancel()
