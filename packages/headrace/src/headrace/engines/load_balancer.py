"""Several engines for one model: the least loaded one is asked, and another one if it fails at once.

An engine that failed rests until it answers a check; one that is busy, for as long as it said. One
that rests is asked only if no other is left. Nothing is asked again once something has been said.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from headrace.engines.base import Engine, Generation
from headrace.errors import DecodeError, EngineError, HeadraceError, LimitError
from headrace.events import Event

__all__ = ["LoadBalancer"]

_COOLDOWN: Final = 30.0


class _Member:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.running = 0
        self.turn = 0  # when it was asked last: ties are broken in turn
        self.cooldown_until = 0.0
        self.is_failing = False


class LoadBalancer:
    """See `headrace.engines.base`.

    Args:
        engines: closed with the pool.
        check_interval: seconds between two looks at an engine that rests.
    """

    def __init__(self, engines: Sequence[Engine], *, check_interval: float = 5.0) -> None:
        self._members = [_Member(engine) for engine in engines]
        self._check_interval = check_interval
        self._checking: asyncio.Task[None] | None = None
        self._turns = 0

    @property
    def continues(self) -> bool:
        """As its engines."""
        return all(member.engine.continues for member in self._members)

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """What one of the engines says.

        Raises:
            HeadraceError: of the last one that was tried.
        """
        untried = list(self._members)
        while True:
            member = self._choose(untried)
            untried.remove(member)
            has_spoken = False
            member.running += 1
            try:
                async with aclosing(member.engine.generate(generation)) as stream:
                    async for events in stream:
                        has_spoken = True
                        yield events
            except (EngineError, LimitError, DecodeError) as error:
                self._rest(member, error)
                if has_spoken or not untried:
                    raise
            else:
                return
            finally:
                member.running -= 1

    async def check(self) -> None:
        """Whether one of them does not rest.

        Raises:
            EngineError: all of them failed.
        """
        if all(member.is_failing for member in self._members):
            msg = "none of the model's servers answers"
            raise EngineError(msg, code="1221")

    async def close(self) -> None:
        """Close every engine."""
        if self._checking is not None:
            self._checking.cancel()
        for member in self._members:
            await member.engine.close()

    def _choose(self, members: Sequence[_Member]) -> _Member:
        now = asyncio.get_running_loop().time()

        def preference(member: _Member) -> tuple[float, int, int]:
            return max(member.cooldown_until - now, 0.0), member.running, member.turn

        chosen = min(members, key=preference)
        self._turns += 1
        chosen.turn = self._turns
        return chosen

    def _rest(self, member: _Member, error: HeadraceError) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(error, LimitError):
            member.cooldown_until = loop.time() + error.retry_after
            return
        member.is_failing = True
        member.cooldown_until = loop.time() + _COOLDOWN
        if self._checking is None or self._checking.done():
            self._checking = loop.create_task(self._check_failing(), name="checks")

    async def _check_failing(self) -> None:
        """Look at those that failed, until they answer."""
        loop = asyncio.get_running_loop()
        while failing := [member for member in self._members if member.is_failing]:
            await asyncio.sleep(self._check_interval)
            for member in failing:
                try:
                    async with asyncio.timeout(self._check_interval):
                        await member.engine.check()
                except (HeadraceError, TimeoutError):
                    member.cooldown_until = loop.time() + _COOLDOWN
                else:
                    member.is_failing = False
                    member.cooldown_until = 0.0
