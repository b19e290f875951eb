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
from headrace.limits.settings import CurrentLimits, LimitSettings
from headrace.limits.ticket import UNAVAILABLE, Decision, KeyLimits, Refused, Ticket, Usage
from headrace.reached_limits import report_limit
from headrace.turns import TurnOutcome

__all__ = ["Admission", "AdmittedRun", "estimate_tokens"]

_BYTES_PER_TOKEN: Final = 4  # of text in most languages
_OUTCOME_DELAY: Final = 2.0  # seconds from the end of a run until the outcome of its turn; usually a few ms
_CLOSE_TIMEOUT: Final = 1.0  # seconds for engines to stop
_NO_LIMITS: Final = KeyLimits()
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
        # The turns that have entered here, until their outcomes are known; True for those that have no slot.
        self._entries: dict[str, bool] = {}
        # Of these, those that have ended, and until when their outcomes are awaited: the next first.
        self._ended: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None  # one for all, while there are any
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
        limits, settings = self._limits_of(generation.owner), self._settings()
        if not _is_limited(limits, settings):
            return None
        request, reserved = generation.request, settings.reserved_tokens
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
        if ticket.id in self._entries:  # taken over by another process, and now by this one again
            self._forget(ticket.id)
            self._limiter.leave(ticket.id)
        self._entries[ticket.id] = False
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
        if id in self._entries:
            self._await_outcome(id)

    def finished(self, outcome: TurnOutcome) -> None:
        """Settle a turn of this process, or one that this process only has ended."""
        if self._is_closed:
            return
        has_left = self._forget(outcome.id)
        if has_left is None and not _is_limited(self._limits_of(outcome.owner), self._settings()):
            return
        tokens = outcome.usage.prompt + outcome.usage.completion
        if tokens or not has_left:
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
        self._entries.clear()
        self._ended.clear()
        if self._timer is not None:
            self._timer.cancel()
        await self._limiter.close()

    def _has_left(self, id: str) -> None:
        if id in self._entries:
            self._entries[id] = True
            self._await_outcome(id)

    def _await_outcome(self, id: str) -> None:
        loop = asyncio.get_running_loop()
        self._ended[id] = loop.time() + _OUTCOME_DELAY
        if self._timer is None:
            self._timer = loop.call_later(_OUTCOME_DELAY, self._give_up)

    def _give_up(self) -> None:
        """Release the slots of the turns whose time is over, and wait for the next one."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for id, due in [*self._ended.items()]:
            if due > loop.time():
                self._timer = loop.call_at(due, self._give_up)
                return
            if self._forget(id) is False:
                self._limiter.leave(id)

    def _forget(self, id: str) -> bool | None:
        """Forget a turn; return True if it had no slot, None if it has not entered."""
        self._ended.pop(id, None)
        return self._entries.pop(id, None)


def _is_limited(limits: KeyLimits, settings: LimitSettings) -> bool:
    """Return whether any limit concerns the turns of a key."""
    return bool(settings.max_in_flight or settings.max_in_flight_per_model or limits != _NO_LIMITS)


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
        if generation.request.tools:
            size = len(msgspec.json.encode(generation.request.tools))
    size += len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return max(size // _BYTES_PER_TOKEN, 1)
