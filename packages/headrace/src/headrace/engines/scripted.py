"""An engine that says what it is told to: for tests, examples and trying out a client.

engine = ScriptedEngine("<think>Easy.</think>Hello!", piece=4, delay=0.01)
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from headrace.engines.base import Generation
from headrace.errors import HeadraceError
from headrace.events import Event, Finish, Text, TokenUsage

__all__ = ["ScriptedEngine"]


class ScriptedEngine:
    """Says one script to every request.

    Args:
        script: the output, markup included; or its pieces; or ready events, of which the last may be
            a `Finish`. An exception in their place is raised when its turn comes.
        piece: characters a piece, where the script is one string.
        delay: seconds before each piece.
        finish_reason: what a raw engine would say: `stop`, or `length`.
    """

    def __init__(
        self,
        script: str | Sequence[str | Event | HeadraceError],
        *,
        piece: int = 4,
        delay: float = 0.0,
        finish_reason: str = "stop",
    ) -> None:
        if isinstance(script, str):
            script = [script[at : at + piece] for at in range(0, len(script), piece)]
        self._script = script
        self._delay = delay
        self._finish_reason = finish_reason
        self.running = 0
        """How many generations are under way."""

    @property
    def continues(self) -> bool:
        """It says its script to whatever it is asked."""
        return True

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """The script, counted as one token a piece."""
        prompt_tokens = len(generation.prompt.split())
        said = 0
        self.running += 1
        try:
            for item in self._script:
                await asyncio.sleep(self._delay)
                if isinstance(item, HeadraceError):
                    raise item
                said += 1
                yield [Text(item) if isinstance(item, str) else item]
                if isinstance(item, Finish):
                    return
            yield [Finish(self._finish_reason, TokenUsage(prompt=prompt_tokens, completion=said))]
        finally:
            self.running -= 1

    async def check(self) -> None:
        """It always can."""

    async def close(self) -> None:
        """Nothing is held."""
