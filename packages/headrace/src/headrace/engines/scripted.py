"""An engine that emits a script, for tests, examples and the development of clients.

engine = ScriptedEngine("<think>Easy.</think>Hello!", piece=4, delay=0.01)
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from headrace.engines.base import Generation, Listener, Run
from headrace.engines.playback import Playback
from headrace.errors import HeadraceError
from headrace.events import Event, Finish, Text, TokenUsage

__all__ = ["ScriptedEngine"]


class ScriptedEngine:
    """An engine that emits the same script for every generation.

    Args:
        script: the raw output as one string or as fragments; or events, of which the last may be a `Finish`.
            An exception in their place is raised.
        piece: the number of characters per fragment, if the script is one string.
        delay: seconds before each fragment.
        finish_reason: of an engine that emits raw text: `stop`, or `length`.
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
        """The number of current generations."""

    @property
    def continues(self) -> bool:
        """Always, since the script does not depend on the prompt."""
        return True

    def token_limit(self, generation: Generation) -> int | None:
        """None, since the script is the answer."""

    async def count_tokens(self, generation: Generation) -> int:
        """Return the number of words, as in the usage."""
        return len(generation.prompt.split())

    def start(self, generation: Generation, listener: Listener) -> Run:
        """Emit the script, counted as one token a piece."""

        def on_end(error: HeadraceError | None) -> None:
            self.running -= 1
            listener.on_end(error)

        self.running += 1
        return Playback(self._play(generation), listener.on_events, on_end)

    async def check(self) -> None:
        """Do nothing: a script is always available."""

    async def close(self) -> None:
        """Do nothing."""

    async def _play(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        count = 0
        for item in self._script:
            await asyncio.sleep(self._delay)
            if isinstance(item, HeadraceError):
                raise item
            count += 1
            yield [Text(item) if isinstance(item, str) else item]
            if isinstance(item, Finish):
                return
        usage = TokenUsage(prompt=len(generation.prompt.split()), completion=count)
        yield [Finish(self._finish_reason, usage)]
