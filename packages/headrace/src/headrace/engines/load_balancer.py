"""Several engines for one model: the least loaded one generates, and another one if it fails at once.

An engine that failed has a cooldown until a probe succeeds; one that is busy, for its `Retry-After`. An
engine in cooldown is used only if no other is left. After the first event there is no retry.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from headrace.engines.base import Engine, Generation
from headrace.errors import DecodeError, EngineError, HeadraceError, LimitError
from headrace.events import Event

__all__ = ["LoadBalancer"]

_COOLDOWN: Final = 30.0  # seconds


class _Member:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.running = 0
        self.last_used = 0  # for round robin among equals
        self.cooldown_until = 0.0
        self.is_failing = False


class LoadBalancer:
    """An engine that distributes generations over others.

    Args:
        engines: closed with this one.
        probe_interval: seconds between two probes of an engine that failed.
    """

    def __init__(self, engines: Sequence[Engine], *, probe_interval: float = 5.0) -> None:
        self._members = [_Member(engine) for engine in engines]
        self._probe_interval = probe_interval
        self._probing: asyncio.Task[None] | None = None
        self._uses = 0

    @property
    def continues(self) -> bool:
        """Whether all engines can continue a partial answer."""
        return all(member.engine.continues for member in self._members)

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """Emit the events of one of the engines.

        Raises:
            HeadraceError: the last engine's error.
        """
        untried = list(self._members)
        while True:
            member = self._choose(untried)
            untried.remove(member)
            has_events = False
            member.running += 1
            try:
                async with aclosing(member.engine.generate(generation)) as stream:
                    async for events in stream:
                        has_events = True
                        yield events
            except (EngineError, LimitError, DecodeError) as error:
                self._cool_down(member, error)
                if has_events or not untried:
                    raise
            else:
                return
            finally:
                member.running -= 1

    async def check(self) -> None:
        """Raise unless at least one engine is available.

        Raises:
            EngineError: all of them failed.
        """
        if all(member.is_failing for member in self._members):
            msg = "none of the model's servers is available"
            raise EngineError(msg, code="1221")

    async def close(self) -> None:
        """Close every engine."""
        if self._probing is not None:
            self._probing.cancel()
        for member in self._members:
            await member.engine.close()

    def _choose(self, members: Sequence[_Member]) -> _Member:
        now = asyncio.get_running_loop().time()

        def preference(member: _Member) -> tuple[float, int, int]:
            return max(member.cooldown_until - now, 0.0), member.running, member.last_used

        chosen = min(members, key=preference)
        self._uses += 1
        chosen.last_used = self._uses
        return chosen

    def _cool_down(self, member: _Member, error: HeadraceError) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(error, LimitError):
            member.cooldown_until = loop.time() + error.retry_after
            return
        member.is_failing = True
        member.cooldown_until = loop.time() + _COOLDOWN
        if self._probing is None or self._probing.done():
            self._probing = loop.create_task(self._probe_failing(), name="probes")

    async def _probe_failing(self) -> None:
        """Probe the engines that failed until they are available."""
        loop = asyncio.get_running_loop()
        while failing := [member for member in self._members if member.is_failing]:
            await asyncio.sleep(self._probe_interval)
            for member in failing:
                try:
                    async with asyncio.timeout(self._probe_interval):
                        await member.engine.check()
                except (HeadraceError, TimeoutError):
                    member.cooldown_until = loop.time() + _COOLDOWN
                else:
                    member.is_failing = False
                    member.cooldown_until = 0.0
