"""An engine that can continue from any position of its script, as a model can."""

import asyncio

from headrace.events import Finish, Progress, Text, TokenUsage
from listening import GeneratedEngine

__all__ = ["ASSISTANT", "ContinuingEngine"]

ASSISTANT = "<|assistant|>"
"""A prompt ends with this."""

_PROMPT_TOKENS = 7


class ContinuingEngine(GeneratedEngine):
    """Emits the rest of `script`, one piece per token; `Finish` counts an end token, as llama.cpp does.

    Set `may_speak` aside to hold it at a piece: `engine.pause_after(3)`.
    """

    def __init__(self, script, *, piece=2, delay=0.0):
        self.script = script
        self.running = 0
        self.asked = []
        self._piece = piece
        self._delay = delay
        self._pause_after = None
        self._go = asyncio.Event()

    def pause_after(self, pieces):
        """Each generation stops there until `go_on`."""
        self._pause_after = pieces

    def go_on(self, until=None):
        """Continue, to the end or until that many pieces."""
        self._pause_after = until
        self._go.set()

    async def generate(self, generation):
        self.asked.append(generation)
        assert generation.prompt.endswith(ASSISTANT)
        prefix = "".join(text.text for text in generation.prefix)
        assert self.script.startswith(prefix), prefix
        tokens_before = -(-len(prefix) // self._piece)
        rest = self.script[len(prefix) :]
        pieces = [rest[at : at + self._piece] for at in range(0, len(rest), self._piece)]
        limit = generation.request.max_tokens
        self.running += 1
        try:
            prompt = _PROMPT_TOKENS + tokens_before
            yield [Progress(prompt, prompt, tuple(range(prompt)) if generation.needs_token_ids else ())]
            for number, piece in enumerate(pieces[:limit]):
                while self._pause_after is not None and number >= self._pause_after:
                    self._go.clear()
                    await self._go.wait()
                await asyncio.sleep(self._delay)
                yield [Text(piece)]
            is_cut = limit is not None and len(pieces) > limit
            new = limit if is_cut else len(pieces) + 1
            yield [Finish("length" if is_cut else "stop", TokenUsage(_PROMPT_TOKENS + tokens_before, new))]
        finally:
            self.running -= 1
