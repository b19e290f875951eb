"""Continuation of an answer that another process began, from the prompt and the output so far."""

import hashlib
from collections.abc import AsyncGenerator, Sequence

import msgspec

from headrace.engines import Engine, Generation, Listener, Run
from headrace.engines.playback import Playback
from headrace.errors import EngineError, HeadraceError
from headrace.events import Event, Finish, Progress, Text, TokenUsage
from headrace.turns.log import Logged, MemoryLog
from headrace.turns.plan import Plan

__all__ = ["derive_seed", "start_continuation", "start_durably"]


def derive_seed(id: str, position: int) -> int:
    """Derive the sampling seed for the output after `position` events of a turn.

    The state of a sampler cannot be restored, and restarting it with the same seed would repeat the same
    random numbers. Therefore each continuation has a seed of its own.
    """
    digest = hashlib.blake2b(f"{id}:{position}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


def start_durably(
    plan: Plan, turn_id: str, log: MemoryLog, listener: Listener, *, needs_token_ids: bool
) -> Run:
    """Start a turn that can be continued, or continue it after what its log has.

    The sampling seed is derived from the turn and the position, unless the request has one.

    Raises:
        HeadraceError: the engine cannot start, or this answer cannot be continued.
    """
    generation, position = plan.generation, log.count
    request = generation.request
    if request.seed is None or position:
        request = msgspec.structs.replace(request, seed=derive_seed(turn_id, position))
    generation = msgspec.structs.replace(generation, request=request, needs_token_ids=needs_token_ids)
    if not position:
        return plan.engine.start(generation, listener)
    prompt = log.progress or Progress(0, 0)
    generation = msgspec.structs.replace(generation, prompt_ids=prompt.ids)
    return start_continuation(plan.engine, generation, log.events, prompt.total, listener)


def start_continuation(
    engine: Engine, generation: Generation, logged: Sequence[Logged], prompt_tokens: int, listener: Listener
) -> Run:
    """Generate the rest of an answer; the usage of its `Finish` covers the complete answer.

    Args:
        engine: generates the rest.
        generation: as at the start of the answer.
        logged: the log so far, without an ending.
        prompt_tokens: of the prompt without the answer so far; 0 if unknown.
        listener: of the rest.

    Raises:
        EngineError: this answer cannot be continued.
    """
    texts = [event for event in logged if isinstance(event, Text)]
    request = generation.request
    if not engine.continues or len(texts) < len(logged):
        msg = "the server that generated this answer is down, and its engine cannot continue a partial answer"
        raise EngineError(msg)
    if request.response_format.type != "text" or request.tool_choice not in ("auto", "none"):
        msg = "the server that generated this answer is down, and structured output cannot be continued"
        raise EngineError(msg)
    tokens = sum(text.tokens for text in texts)
    limit = request.max_tokens
    if limit is not None and tokens >= limit:
        finish = Finish("length", TokenUsage(prompt_tokens, tokens))
        return Playback(_one([finish]), listener.on_events, listener.on_end)
    rest = msgspec.structs.replace(request, max_tokens=None if limit is None else limit - tokens)
    continued = msgspec.structs.replace(generation, request=rest, prefix=(*texts,))
    return engine.start(continued, _Continuation(listener, tokens, prompt_tokens))


class _Continuation:
    """A listener that adds the answer so far to the usage."""

    def __init__(self, listener: Listener, tokens: int, prompt_tokens: int) -> None:
        self._listener = listener
        self._tokens = tokens
        self._prompt_tokens = prompt_tokens

    def on_events(self, events: list[Event]) -> None:
        # Progress would count the answer so far as prompt tokens.
        events = [event for event in events if not isinstance(event, Progress)]
        if events:
            if isinstance(finish := events[-1], Finish):
                events[-1] = _with_total_usage(finish, self._tokens, self._prompt_tokens)
            self._listener.on_events(events)

    def on_end(self, error: HeadraceError | None) -> None:
        self._listener.on_end(error)


async def _one(events: list[Event]) -> AsyncGenerator[list[Event], None]:
    yield events


def _with_total_usage(finish: Finish, tokens: int, prompt_tokens: int) -> Finish:
    """Add the tokens of the answer so far, which the engine counted as a part of the prompt."""
    usage = finish.usage
    prompt = prompt_tokens or max(usage.prompt - tokens, 0)
    total = TokenUsage(prompt, usage.completion + tokens, min(usage.cached, prompt), usage.reasoning)
    return Finish(finish.reason, total, finish.error)
