"""Going on with an answer that another process began: from the prompt and the text so far."""

import hashlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from headrace.engines import Engine, Generation
from headrace.errors import EngineError
from headrace.events import Event, Finish, Progress, Text, TokenUsage
from headrace.turns.log import Logged

__all__ = ["continue_answer", "seed_of"]


def seed_of(id: str, position: int) -> int:
    """The seed for what follows after `position` events of a turn.

    A sampler cannot be put back to where it was. Starting it again with the seed of the beginning would
    draw the same numbers twice, so each continuation has its own.
    """
    digest = hashlib.blake2b(f"{id}:{position}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1


async def continue_answer(
    engine: Engine, generation: Generation, said: Sequence[Logged], prompt_tokens: int
) -> AsyncGenerator[list[Event], None]:
    """What is still to be said; the usage of its `Finish` is that of the whole answer.

    Args:
        engine: what goes on.
        generation: as the answer began.
        said: the log so far, without an ending.
        prompt_tokens: of the prompt, without the answer so far; 0 if that is not known.

    Raises:
        EngineError: this answer cannot be continued.
    """
    texts = [event for event in said if isinstance(event, Text)]
    request = generation.request
    if not engine.continues or len(texts) < len(said):
        msg = "the server that wrote this answer is gone, and its engine cannot go on from within an answer"
        raise EngineError(msg)
    if request.response_format.type != "text" or request.tool_choice not in ("auto", "none"):
        msg = "the server that wrote this answer is gone; an answer of a prescribed form cannot be continued"
        raise EngineError(msg)
    tokens = sum(text.tokens for text in texts)
    limit = request.max_tokens
    if limit is not None and tokens >= limit:
        yield [Finish("length", TokenUsage(prompt_tokens, tokens))]
        return
    rest = msgspec.structs.replace(request, max_tokens=None if limit is None else limit - tokens)
    going_on = msgspec.structs.replace(generation, request=rest, prefix=(*texts,))
    async with aclosing(engine.generate(going_on)) as events:
        async for new in events:
            if spoken := [
                _whole(event, tokens, prompt_tokens) for event in new if not isinstance(event, Progress)
            ]:
                yield spoken


def _whole(event: Event, tokens: int, prompt_tokens: int) -> Event:
    if not isinstance(event, Finish):
        return event
    usage = event.usage
    prompt = prompt_tokens or max(usage.prompt - tokens, 0)
    whole = TokenUsage(prompt, usage.completion + tokens, min(usage.cached, prompt), usage.reasoning)
    return Finish(event.reason, whole, event.error)
