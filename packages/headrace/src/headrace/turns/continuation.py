"""Continuation of an answer that another process began, from the prompt and the output so far."""

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from headrace.engines import Engine, Generation
from headrace.errors import EngineError
from headrace.events import Event, Finish, Progress, Text, TokenUsage
from headrace.turns.log import Logged

__all__ = ["continue_answer", "derive_seed"]


def derive_seed(id: str, position: int) -> int:
    """Derive the sampling seed for the output after `position` events of a turn.

    The state of a sampler cannot be restored, and restarting it with the same seed would repeat the same
    random numbers. Therefore each continuation has a seed of its own.
    """
    digest = hashlib.blake2b(f"{id}:{position}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


async def continue_answer(
    engine: Engine, generation: Generation, logged: Sequence[Logged], prompt_tokens: int
) -> AsyncGenerator[list[Event], None]:
    """Generate the rest of an answer; the usage of its `Finish` covers the complete answer.

    Args:
        engine: generates the rest.
        generation: as at the start of the answer.
        logged: the log so far, without an ending.
        prompt_tokens: of the prompt without the answer so far; 0 if unknown.

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
        yield [Finish("length", TokenUsage(prompt_tokens, tokens))]
        return
    rest = msgspec.structs.replace(request, max_tokens=None if limit is None else limit - tokens)
    continued = msgspec.structs.replace(generation, request=rest, prefix=(*texts,))
    async with aclosing(engine.generate(continued)) as batches:
        async for batch in batches:
            # Progress would count the answer so far as prompt tokens.
            events: list[Event] = [event for event in batch if not isinstance(event, Progress)]
            if events:
                if isinstance(finish := events[-1], Finish):
                    events[-1] = _with_total_usage(finish, tokens, prompt_tokens)
                yield events


def _with_total_usage(finish: Finish, tokens: int, prompt_tokens: int) -> Finish:
    """Add the tokens of the answer so far, which the engine counted as a part of the prompt."""
    usage = finish.usage
    prompt = prompt_tokens or max(usage.prompt - tokens, 0)
    total = TokenUsage(prompt, usage.completion + tokens, min(usage.cached, prompt), usage.reasoning)
    return Finish(finish.reason, total, finish.error)
