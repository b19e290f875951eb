"""Admission of the turns of this process: their tickets, what runs and waits, and what they have used.

A turn's slot is held from `enter` until its outcome is known: the ending is in the log, and the engine has
stopped. There is no outcome here if another process has taken the turn over; its slot is released a little
after the engine has stopped.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import msgspec

from headrace.engines import Engine, Generation
from headrace.errors import HeadraceError, LimitError, RequestError
from headrace.limits.limiter import Limiter, Report
from headrace.limits.settings import CurrentLimits
from headrace.limits.ticket import UNAVAILABLE, Decision, KeyLimits, Refused, Ticket, Usage
from headrace.reached_limits import report_limit
from headrace.turns import TurnOutcome

__all__ = ["Admission", "AdmittedRun", "estimate_tokens"]

_BYTES_PER_TOKEN: Final = 4  # of text in most languages
_OUTCOME_DELAY: Final = 2.0  # seconds from the end of a run until the outcome of its turn; usually a few ms
_CLOSE_TIMEOUT: Final = 1.0  # seconds for engines to stop
_JITTER: Final = 0.1  # of `retry_after`, so that not all clients return at once


class AdmittedRun(Protocol):
    """A run of this process."""

    model: str
    """The canonical name of its model."""
    entered: float
    """When it began or began to wait, by the clock of the event loop."""

    @property
    def id(self) -> str:
        """The id of its turn."""
        ...

    @property
    def owner(self) -> str:
        """The id of the caller's API key."""
        ...


class _Entry:
    """A turn that has entered here, until its outcome is known."""

    def __init__(self) -> None:
        self.has_left = False  # without a slot
        self.timer: asyncio.TimerHandle | None = None


class Admission:
    """Tickets for a limiter. An observer of turns, which settles what they were charged.

    Args:
        limiter: decides.
        settings: the limits of the server and of models.
        limits_of: returns the limits of a key, by its id.
    """

    def __init__(
        self, limiter: Limiter, settings: CurrentLimits, limits_of: Callable[[str], KeyLimits]
    ) -> None:
        self.running: set[AdmittedRun] = set()
        """The runs of this process, limited or not."""
        self.waiting: set[AdmittedRun] = set()
        """Those that have not started yet."""
        self.refused = Counter({"1261": 0, "1302": 0, "1303": 0, "1305": 0})
        """The number of those that were refused, by error code."""
        self._limiter = limiter
        self._settings = settings
        self._limits_of = limits_of
        self._entries: dict[str, _Entry] = {}
        self._is_closed = False

    @property
    def queue_timeout(self) -> float:
        """Seconds that a turn waits; 0: no limit."""
        return self._settings().queue_timeout

    def ticket(self, generation: Generation, engine: Engine, model: str) -> Ticket | None:
        """Return the ticket of a generation; None if no limit concerns it.

        Args:
            generation: to run.
            engine: would run it.
            model: its canonical name.
        """
        limits = self._limits_of(generation.owner)
        if not self._is_limited(limits):
            return None
        request, reserved = generation.request, self._settings().reserved_tokens
        answer = engine.token_limit(generation) or request.max_tokens or reserved
        if request.max_tokens is None:
            answer = min(answer, reserved)
        if generation.prefix:
            answer += sum(text.tokens for text in generation.prefix)
        return Ticket(
            id=generation.turn,
            key=generation.owner,
            user=request.user_id or "",
            model=model,
            prompt=estimate_tokens(generation),
            answer=answer,
            limits=limits,
            is_continued=bool(generation.prefix),
        )

    def enter(self, ticket: Ticket, report: Report) -> Decision | None:
        """Ask for a slot; see `Limiter`."""
        if self._forget(ticket.id):  # taken over by another process, and now by this one again
            self._limiter.leave(ticket.id)
        self._entries[ticket.id] = _Entry()
        return self._limiter.enter(ticket, report)

    def leave(self, id: str) -> None:
        """Give up waiting."""
        self._limiter.leave(id)
        self._has_left(id)

    def expire(self, id: str, refused: Refused) -> HeadraceError:
        """Count a turn that has waited for too long, and return its error."""
        self._limiter.leave(id)
        waited = f"{self.queue_timeout:g} s in the queue: {refused.message}"
        return self.refuse(id, refused._replace(message=waited), "queue_timeout")

    def refuse(self, id: str, refused: Refused, option: str = "max_queued") -> HeadraceError:
        """Count the refusal of a turn, and return its error. `option`: what keeps it from waiting."""
        self._has_left(id)
        self.refused[refused.code] += 1
        if not refused.retry_after:
            return RequestError(refused.message, code=refused.code)
        if refused.code != UNAVAILABLE:
            report_limit(option, refused.message)
        retry_after = refused.retry_after * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311 - no secret
        return LimitError(refused.message, code=refused.code, retry_after=retry_after)

    def engine_ended(self, id: str) -> None:
        """Release the slot of a turn after a while, if it has no outcome here."""
        if entry := self._entries.get(id):
            entry.timer = asyncio.get_running_loop().call_later(_OUTCOME_DELAY, self._give_up, id)

    def finished(self, outcome: TurnOutcome) -> None:
        """Settle a turn of this process, or one that this process only has ended."""
        if self._is_closed:
            return
        entry = self._forget(outcome.id)
        tokens = outcome.usage.prompt + outcome.usage.completion
        is_limited = entry is not None or self._is_limited(self._limits_of(outcome.owner))
        if is_limited and (tokens or entry is None or not entry.has_left):
            self._limiter.settle(outcome.id, outcome.owner, tokens)

    async def usage(self, key: str) -> Usage:
        """Return what a key uses of its limits. Raises `StoreError`."""
        return await self._limiter.usage(key)

    async def close(self) -> None:
        """Settle the turns that are ending, and release all slots of this process. Never raises."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                while self.running:  # noqa: ASYNC110 - only once, at shutdown
                    await asyncio.sleep(0.005)
                await asyncio.sleep(0.005)  # until the outcomes are known
        self._is_closed = True
        for id in list(self._entries):
            self._forget(id)
        await self._limiter.close()

    def _has_left(self, id: str) -> None:
        if entry := self._entries.get(id):
            entry.has_left = True
            entry.timer = asyncio.get_running_loop().call_later(_OUTCOME_DELAY, self._forget, id)

    def _give_up(self, id: str) -> None:
        self._limiter.leave(id)
        self._forget(id)

    def _forget(self, id: str) -> _Entry | None:
        entry = self._entries.pop(id, None)
        if entry is not None and entry.timer is not None:
            entry.timer.cancel()
        return entry

    def _is_limited(self, limits: KeyLimits) -> bool:
        settings = self._settings()
        return bool(
            settings.max_in_flight
            or settings.max_in_flight_per_model
            or limits.in_flight
            or limits.requests_per_minute
            or limits.tokens_per_5h
        )


def estimate_tokens(generation: Generation) -> int:
    """Estimate the tokens of a prompt, at least one, from the bytes of its text. Images are not counted."""
    if generation.prompt_ids:
        return len(generation.prompt_ids)
    text, size = generation.prompt, 0
    if not text:  # the engine takes messages
        for message in generation.request.messages:
            text += message.text
            if message.reasoning_content:
                text += message.reasoning_content
            for call in message.tool_calls or ():
                text += call.function.name + call.function.arguments
        if generation.request.raw_tools:
            size = len(msgspec.json.encode(generation.request.raw_tools))
    size += len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return max(size // _BYTES_PER_TOKEN, 1)
