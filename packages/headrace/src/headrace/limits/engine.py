"""An engine whose runs wait for a slot.

    WAITING ── granted ──▶ RUNNING ── the model's engine has ended ──▶ ENDED
       └── refused, or stop ───────────────────────────────────────────▶

While it waits, a run emits its position in the queue as `Progress`. Afterwards the model's engine emits to
the caller itself: nothing here is in the path of a chunk.
"""

import asyncio
from typing import Final

from headrace.engines import Engine, Generation, Listener, Run
from headrace.engines.defects import ReportingErrors
from headrace.errors import EngineError, HeadraceError
from headrace.events import Progress
from headrace.limits.admission import Admission
from headrace.limits.ticket import Decision, Granted, Lost, Refused, Ticket, Waiting

__all__ = ["LimitedEngine"]

_LOST: Final = "the server stood still for so long that another request got the slot of this answer"


class LimitedEngine:
    """An engine that runs what the limits admit.

    Args:
        engine: of the model; closed with this one.
        model: its canonical name.
        admission: of all models.
    """

    def __init__(self, engine: Engine, model: str, admission: Admission) -> None:
        self._engine = engine
        self._model = model
        self._admission = admission

    @property
    def continues(self) -> bool:
        return self._engine.continues

    def token_limit(self, generation: Generation) -> int | None:
        return self._engine.token_limit(generation)

    async def count_tokens(self, generation: Generation) -> int:
        return await self._engine.count_tokens(generation)

    def start(self, generation: Generation, listener: Listener) -> Run:
        """See `Engine`. A refusal ends the run with a LimitError or RequestError."""
        run = _LimitedRun(self._engine, self._model, generation, listener, self._admission)
        ticket = self._admission.ticket(generation, self._engine, self._model)
        if ticket is None:
            run.start()
        else:
            run.wait(ticket)
        return run

    async def check(self) -> None:
        await self._engine.check()

    async def close(self) -> None:
        await self._engine.close()


class _LimitedRun:
    """A run above, and a listener below: for the end only."""

    def __init__(
        self,
        engine: Engine,
        model: str,
        generation: Generation,
        listener: Listener,
        admission: Admission,
    ) -> None:
        self.model = model
        self.on_events = listener.on_events
        self._engine = engine
        self._generation = generation
        self._listener = listener
        self._admission = admission
        self._run: Run | None = None
        self._refusal: Refused | None = None  # while it waits in the queue
        self._timer: asyncio.TimerHandle | None = None
        self._is_paused = False
        self._loss: EngineError | None = None
        self._loop = asyncio.get_running_loop()
        self.entered = self._loop.time()

    @property
    def id(self) -> str:
        return self._generation.turn

    @property
    def owner(self) -> str:
        return self._generation.owner

    def wait(self, ticket: Ticket) -> None:
        """Start when the limiter allows it: often at once. Raises `HeadraceError` from the start."""
        decision = self._admission.enter(ticket, self._on_decision)
        if isinstance(decision, Granted):
            self.start()
            return
        self._admission.waiting.add(self)
        if decision is not None:  # it must not reach the listener at once
            self._loop.call_soon(self._on_first_decision, decision)

    def start(self) -> None:
        """Start the model's engine. Raises `HeadraceError`."""
        self._run = self._engine.start(self._generation, self)
        self._admission.running.add(self)
        if self._is_paused:
            self._run.pause()

    def on_end(self, error: HeadraceError | None) -> None:
        self._run = None  # it refers to this listener
        self._admission.running.discard(self)
        self._admission.engine_ended(self._generation.turn)
        self._listener.on_end(self._loss or error)

    def stop(self) -> None:
        if self._run is not None:
            self._run.stop()
        elif self in self._admission.waiting:
            self._end_wait()
            self._admission.leave(self._generation.turn)
            self._loop.call_soon(self._listener.on_end, self._loss)

    def pause(self) -> None:
        self._is_paused = True
        if self._run is not None:
            self._run.pause()

    def resume(self) -> None:
        self._is_paused = False
        if self._run is not None:
            self._run.resume()

    def _on_first_decision(self, decision: Decision) -> None:
        if self in self._admission.waiting:
            self._on_decision(decision)

    def _on_decision(self, decision: Decision) -> None:
        match decision:
            case Waiting(position, refusal):
                self._on_waiting(position, refusal)
            case Granted():
                self._on_granted()
            case Refused():
                self._end_wait()
                self._listener.on_end(self._admission.refuse(self._generation.turn, decision))
            case Lost():
                self._loss = EngineError(_LOST)
                self.stop()

    def _on_waiting(self, position: int, refusal: Refused) -> None:
        if self._refusal is None and (timeout := self._admission.queue_timeout):
            self._timer = self._loop.call_later(timeout, self._expire)
        self._refusal = refusal
        self._listener.on_events([Progress(0, 0, queued=position)])

    def _on_granted(self) -> None:
        self._end_wait()
        if self._refusal is not None:
            self._listener.on_events([Progress(0, 0)])
        with ReportingErrors(self.on_end):
            self.start()

    def _expire(self) -> None:
        assert self._refusal is not None
        self._end_wait()
        self._listener.on_end(self._admission.expire(self._generation.turn, self._refusal))

    def _end_wait(self) -> None:
        self._admission.waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None  # it refers to this run
