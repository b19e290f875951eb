"""Several engines for one model: the least loaded one is used, or another if it fails before any output.

An engine that failed cools down until a probe succeeds; one that is busy, for as long as it reported. An
engine in cooldown is chosen only if no other is left. Nothing is retried once there was output.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from headrace.engines.base import Engine, Generation, Listener, Run
from headrace.engines.defects import ReportingErrors
from headrace.errors import DecodeError, EngineError, HeadraceError, LimitError
from headrace.events import Event, Progress

__all__ = ["LoadBalancer"]

_COOLDOWN: Final = 30.0  # seconds
_RETRYABLE: Final = (EngineError, LimitError, DecodeError)


class _Member:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.running = 0
        self.last_chosen = 0  # ties go round robin
        self.cooldown_until = 0.0
        self.is_failing = False


class LoadBalancer:
    """An engine that distributes generations over several engines.

    Args:
        engines: closed with the load balancer.
        probe_interval: seconds between two probes of an engine that failed.
    """

    def __init__(self, engines: Sequence[Engine], *, probe_interval: float = 5.0) -> None:
        self.members = [_Member(engine) for engine in engines]
        self._probe_interval = probe_interval
        self._probing: asyncio.Task[None] | None = None
        self._choices = 0

    @property
    def continues(self) -> bool:
        """Whether all of its engines do."""
        return all(member.engine.continues for member in self.members)

    def token_limit(self, generation: Generation) -> int | None:
        return self.members[0].engine.token_limit(generation)

    async def count_tokens(self, generation: Generation) -> int:
        return await self.choose(self.members).engine.count_tokens(generation)

    def start(self, generation: Generation, listener: Listener) -> Run:
        """See `Engine`. An error is that of the last engine that was tried."""
        return _BalancedRun(self, generation, listener)

    async def check(self) -> None:
        """Return if one of the engines is not failing.

        Raises:
            EngineError: all of them failed.
        """
        if all(member.is_failing for member in self.members):
            msg = "none of the model's servers is available"
            raise EngineError(msg, code="1221")

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
        for member in self.members:
            await member.engine.close()

    def choose(self, members: Sequence[_Member]) -> _Member:
        """Return the member to try next."""
        now = asyncio.get_running_loop().time()

        def preference(member: _Member) -> tuple[float, int, int]:
            return max(member.cooldown_until - now, 0.0), member.running, member.last_chosen

        chosen = min(members, key=preference)
        self._choices += 1
        chosen.last_chosen = self._choices
        return chosen

    def cool_down(self, member: _Member, error: HeadraceError) -> None:
        """Prefer other members for a while."""
        loop = asyncio.get_running_loop()
        if isinstance(error, LimitError):
            member.cooldown_until = loop.time() + error.retry_after
            return
        member.is_failing = True
        member.cooldown_until = loop.time() + _COOLDOWN
        if self._probing is None or self._probing.done():
            self._probing = loop.create_task(self._probe(), name="probes")

    async def _probe(self) -> None:
        """Probe the members that failed until they respond."""
        loop = asyncio.get_running_loop()
        while failing := [member for member in self.members if member.is_failing]:
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


class _BalancedRun:
    """A listener below, a run above: tries one member after another until there is output."""

    def __init__(self, balancer: LoadBalancer, generation: Generation, listener: Listener) -> None:
        self._balancer = balancer
        self._generation = generation
        self._listener = listener
        self.on_events: Callable[[list[Event]], None] = self._on_first_events
        self._untried = list(balancer.members)
        self._has_output = False
        self._is_stopped = False
        self._is_paused = False
        self._member: _Member
        self._run: Run | None = None
        self._start()

    def _on_first_events(self, events: list[Event]) -> None:
        if not (events and type(events[-1]) is Progress):
            self._has_output = True
            self.on_events = self._listener.on_events
        self._listener.on_events(events)

    def on_end(self, error: HeadraceError | None) -> None:
        self._member.running -= 1
        self._run = None  # it refers to this listener
        if isinstance(error, _RETRYABLE):
            self._balancer.cool_down(self._member, error)
            if not self._has_output and self._untried and not self._is_stopped:
                with ReportingErrors(self._listener.on_end):
                    self._start()
                return
        self._listener.on_end(error)

    def stop(self) -> None:
        self._is_stopped = True
        if self._run is not None:
            self._run.stop()

    def pause(self) -> None:
        self._is_paused = True
        if self._run is not None:
            self._run.pause()

    def resume(self) -> None:
        self._is_paused = False
        if self._run is not None:
            self._run.resume()

    def _start(self) -> None:
        """Start the next member; one that fails at once is passed over."""
        while True:
            member = self._balancer.choose(self._untried)
            self._untried.remove(member)
            try:
                run = self._run = member.engine.start(self._generation, self)
            except _RETRYABLE as error:
                self._balancer.cool_down(member, error)
                if not self._untried:
                    raise
            else:
                break
        self._member = member
        member.running += 1
        if self._is_paused:
            run.pause()
