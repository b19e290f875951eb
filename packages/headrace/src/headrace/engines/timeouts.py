"""Three timeouts for any engine, so that a reader never waits for ever.

    first token   no output yet           an error with status 504
    idle          output, then silence    the stream's ending (docs/wire.md, 2.4)
    total         any output              the same

One timer per run, not one per delta: when it is due, it checks when output was last seen. After
`_PROBE_SECONDS` of silence within an answer, it also checks whether the engine is still there: some servers
leave their streams open while they shut down.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from headrace.engines.base import Engine, Generation, Listener, Run
from headrace.engines.settings import Timeouts
from headrace.errors import EngineError, HeadraceError, UnreachableError
from headrace.events import Event, Progress
from headrace.reached_limits import report_limit

__all__ = ["TimeoutEngine", "Timeouts"]


_PROBE_SECONDS: Final = 10.0


class TimeoutEngine:
    """An engine whose runs are stopped when they take too long.

    Args:
        engine: closed with this one.
        timeouts: its limits.
    """

    def __init__(self, engine: Engine, timeouts: Timeouts) -> None:
        self._engine = engine
        self._timeouts = timeouts
        limits = filter(None, (timeouts.first_token, timeouts.idle, timeouts.total))
        self._shortest = min((_PROBE_SECONDS, *limits)) if any(msgspec.structs.astuple(timeouts)) else 0.0

    @property
    def continues(self) -> bool:
        return self._engine.continues

    def token_limit(self, generation: Generation) -> int | None:
        return self._engine.token_limit(generation)

    async def count_tokens(self, generation: Generation) -> int:
        return await self._engine.count_tokens(generation)

    def start(self, generation: Generation, listener: Listener) -> Run:
        """See `Engine`. The listener gets no heartbeats; `on_end` gets an EngineError after a timeout."""
        run = _TimedRun(self._engine, self._timeouts, self._shortest, listener)
        run.begin(self._engine.start(generation, run))
        return run

    async def check(self) -> None:
        await self._engine.check()

    async def close(self) -> None:
        await self._engine.close()


def _ignore(_: list[Event]) -> None:
    pass


class _TimedRun:
    """A listener below, a run above; its timer belongs to neither."""

    def __init__(self, engine: Engine, timeouts: Timeouts, shortest: float, listener: Listener) -> None:
        self._engine = engine
        self._timeouts = timeouts
        self._shortest = shortest
        self._listener = listener
        self.on_events: Callable[[list[Event]], None] = self._on_first_events
        self._loop = asyncio.get_running_loop()
        self._started = self._last_seen = self._loop.time()
        self._has_output = False
        self._is_paused = False
        self._run: Run | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._probe: asyncio.Task[None] | None = None
        self._expired = ""

    def begin(self, run: Run) -> None:
        self._run = run
        if self._shortest:
            self._timer = self._loop.call_later(self._shortest, self._check)

    def _on_first_events(self, events: list[Event]) -> None:
        if not (events and isinstance(events[-1], Progress)):
            self._last_seen = self._loop.time()
            if events:
                self._has_output = True
                self.on_events = self._on_more_events
        if events:
            self._listener.on_events(events)

    def _on_more_events(self, events: list[Event]) -> None:
        self._last_seen = self._loop.time()
        if events:
            self._listener.on_events(events)

    def on_end(self, error: HeadraceError | None) -> None:
        self._run = None  # it refers to this listener
        self.on_events = _ignore
        if self._timer is not None:
            self._timer.cancel()
        if self._probe is not None:
            self._probe.cancel()
        if not self._expired:
            self._listener.on_end(error)

    def stop(self) -> None:
        if self._run is not None:
            self._run.stop()

    def pause(self) -> None:
        self._is_paused = True
        if self._run is not None:
            self._run.pause()

    def resume(self) -> None:
        self._is_paused = False
        self._last_seen = self._loop.time()
        if self._run is not None:
            self._run.resume()

    def _check(self) -> None:
        """End the run if a timeout has expired; otherwise check again when the next one could have."""
        now = self._loop.time()
        limits = self._timeouts
        silence = 0.0
        if not self._is_paused:
            silence = limits.idle if self._has_output else limits.first_token
        if silence and now - self._last_seen >= silence:
            self._expire(
                f"the model sent nothing for {silence:g} s",
                "idle_timeout" if self._has_output else "first_token_timeout",
            )
        elif limits.total and now - self._started >= limits.total:
            self._expire(f"the model did not finish within {limits.total:g} s", "total_timeout")
        elif self._shortest:
            # Output, a pause or its end change the next deadline: none comes before the shortest timeout.
            due = now + self._shortest
            if self._has_output and not self._is_paused:
                due = min(due, self._probe_if_silent(now))
            if silence:
                due = min(due, self._last_seen + silence)
            if limits.total:
                due = min(due, self._started + limits.total)
            self._timer = self._loop.call_at(due, self._check)

    def _probe_if_silent(self, now: float) -> float:
        """Return when to check again whether there is silence."""
        if now - self._last_seen < _PROBE_SECONDS:
            return self._last_seen + _PROBE_SECONDS
        if self._probe is None or self._probe.done():
            self._probe = self._loop.create_task(self._end_if_unreachable())
        return now + _PROBE_SECONDS

    async def _end_if_unreachable(self) -> None:
        last_seen = self._last_seen
        try:
            await self._engine.check()
        except UnreachableError as error:
            if last_seen == self._last_seen:
                self._expire(error.public)
        except HeadraceError:
            pass  # it responds

    def _expire(self, reason: str, option: str = "") -> None:
        if option:
            report_limit(option, reason)
        self._expired = reason
        self.on_events = _ignore
        self.stop()
        self._listener.on_end(EngineError(reason, status=504))
