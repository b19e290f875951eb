"""Continuation of an answer that another process began, from the prompt and the output so far."""

import hashlib
from collections.abc import AsyncGenerator, Sequence

import msgspec

from headrace.engines import Engine, Generation, Listener, Run
from headrace.engines.playback import Playback
from headrace.errors import EngineError, HeadraceError
from headrace.events import Event, Finish, Progress, Text, TokenUsage
from headrace.turns.entries import Logged
from headrace.turns.log import MemoryLog

__all__ = ["check_continuable", "derive_seed", "start_continuation", "start_durably"]


def derive_seed(id: str, position: int) -> int:
    """Derive the sampling seed for the output after `position` events of a turn.

    The state of a sampler cannot be restored, and restarting it with the same seed would repeat the same
    random numbers. Therefore each continuation has a seed of its own.
    """
    digest = hashlib.blake2b(f"{id}:{position}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def start_durably(
    engine: Engine, generation: Generation, log: MemoryLog, listener: Listener, *, needs_token_ids: bool
) -> Run:
    """Start a turn that can be continued, or continue it after what its log has.

    The sampling seed is derived from the turn and the position, unless the request has one.

    Raises:
        HeadraceError: the engine cannot start, or this answer cannot be continued.
    """
    request, position = generation.request, log.count
    if request.seed is None or position:
        request = msgspec.structs.replace(request, seed=derive_seed(generation.turn, position))
    generation = msgspec.structs.replace(generation, request=request, needs_token_ids=needs_token_ids)
    if not position:
        return engine.start(generation, listener)
    prompt = log.progress or Progress(0, 0)
    generation = msgspec.structs.replace(generation, prompt_ids=prompt.ids)
    return start_continuation(engine, generation, log.events, prompt, listener)


def check_continuable(engine: Engine, generation: Generation, logged: Sequence[Logged]) -> None:
    """Check whether an answer can be continued after what is logged.

    Raises:
        EngineError: it cannot.
    """
    request = generation.request
    if not logged:
        return
    if not engine.continues or not all(isinstance(event, Text) for event in logged):
        msg = "the server that generated this answer is down, and its engine cannot continue a partial answer"
        raise EngineError(msg)
    if request.response_format.type != "text" or request.tool_choice not in ("auto", "none"):
        msg = "the server that generated this answer is down, and structured output cannot be continued"
        raise EngineError(msg)


def start_continuation(
    engine: Engine, generation: Generation, logged: Sequence[Logged], prompt: Progress, listener: Listener
) -> Run:
    """Generate the rest of an answer; the usage of its `Finish` covers the complete answer.

    Args:
        engine: generates the rest.
        generation: as at the start of the answer.
        logged: the log so far, without an ending.
        prompt: without the answer so far; its total is 0 if unknown.
        listener: of the rest.

    Raises:
        EngineError: this answer cannot be continued.
    """
    check_continuable(engine, generation, logged)
    texts = [event for event in logged if isinstance(event, Text)]
    request = generation.request
    tokens = sum(text.tokens for text in texts)
    limit = engine.token_limit(generation)
    if limit is not None and tokens >= limit:
        finish = Finish("length", TokenUsage(prompt.total, tokens))
        return Playback(_one([finish]), listener.on_events, listener.on_end)
    extra = dict(request.extra)
    if "min_tokens" in extra:
        extra["min_tokens"] = max(extra["min_tokens"] - tokens, 0)
    rest = msgspec.structs.replace(request, max_tokens=None if limit is None else limit - tokens, extra=extra)
    continued = msgspec.structs.replace(generation, request=rest, prefix=(*texts,))
    continuation = _Continuation(listener, texts, request.stops, prompt)
    continuation.run = engine.start(continued, continuation)
    return continuation.run


class _Continuation:
    """A listener that adds the answer so far to the usage, and ends at a stop string that began in it.

    Servers withhold text that may begin a stop string, but not all of them.
    """

    run: Run

    def __init__(
        self, listener: Listener, texts: Sequence[Text], stops: Sequence[str], prompt: Progress
    ) -> None:
        self._listener = listener
        self._tokens = sum(text.tokens for text in texts)
        self._prompt = prompt
        self._stops = stops
        self._reach = max(map(len, stops), default=1) - 1
        self._tail = _last("".join(text.text for text in texts), self._reach)
        self._from_prefix = len(self._tail)  # so many of its characters are not generated here
        self._generated = 0  # tokens, as long as there are any

    def on_events(self, events: list[Event]) -> None:
        # Its own `Progress` would count the answer so far as prompt tokens.
        events = [self._progress(event) if isinstance(event, Progress) else event for event in events]
        if self._from_prefix > 0:
            events = self._until_stop(events)
        if events:
            if isinstance(finish := events[-1], Finish):
                events[-1] = _with_total_usage(finish, self._tokens, self._prompt.total)
            self._listener.on_events(events)

    def on_end(self, error: HeadraceError | None) -> None:
        self._listener.on_end(error)

    def _progress(self, event: Progress) -> Progress:
        return msgspec.structs.replace(self._prompt, queued=event.queued)

    def _until_stop(self, events: list[Event]) -> list[Event]:
        """Replace what follows a stop string that began in the answer so far by a `Finish`."""
        for at, event in enumerate(events):
            if not isinstance(event, Text):
                continue
            self._generated += event.tokens
            text = self._tail + event.text
            found = (stop for stop in self._stops if 0 <= text.find(stop) < self._from_prefix)
            if stop := next(found, ""):
                self.run.stop()
                usage = TokenUsage(self._prompt.total + self._tokens, self._generated)
                return [*events[:at], Finish("stop", usage, stop=stop)]
            self._tail = _last(text, self._reach)
            self._from_prefix -= len(text) - len(self._tail)
        return events


def _last(text: str, size: int) -> str:
    return text[-size:] if size else ""


async def _one(events: list[Event]) -> AsyncGenerator[list[Event], None]:
    yield events


def _with_total_usage(finish: Finish, tokens: int, prompt_tokens: int) -> Finish:
    """Add the tokens of the answer so far, which the engine counted as a part of the prompt."""
    usage = finish.usage
    prompt = prompt_tokens or max(usage.prompt - tokens, 0)
    total = TokenUsage(prompt, usage.completion + tokens, min(usage.cached, prompt), usage.reasoning)
    return msgspec.structs.replace(finish, usage=total)
