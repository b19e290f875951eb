"""What an engine is: something that is given a generation and says events.

    async for events in engine.generate(generation):    # a list: what was ready together
        …

It says `Progress` while it reads the prompt (or nothing), then `Text` or parsed events, and last
exactly one `Finish`. An empty list is a sign of life: something came that cannot be told yet. It raises
`HeadraceError` if it fails: before its first event that becomes the response's status, after it the
stream's ending. Closing the iterator stops the model at once.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from headrace.events import Event, Text
from headrace.wire.request import ChatRequest

__all__ = ["Engine", "Generation"]


class Generation(msgspec.Struct, frozen=True):
    """What a model shall go on from.

    Args:
        prompt: the rendered prompt, for engines that take text; see `headrace.prompts.escaping`.
        request: sampling, limits and stop strings; for engines that parse themselves, everything.
        said: the beginning of the answer, where it is to be continued.
        is_kept: the answer may have to be continued: tell its tokens, where that is possible. Text alone
            may be cut into other tokens than the model chose, within a word.
    """

    prompt: str
    request: ChatRequest
    said: tuple[Text, ...] = ()
    is_kept: bool = False


class Engine(Protocol):
    """One model that runs somewhere."""

    @property
    def continues(self) -> bool:
        """Whether it can go on from within an answer, given prompt and text so far."""
        ...

    def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """Start. Nothing is computed before the first `__anext__`."""
        ...

    async def check(self) -> None:
        """Whether it could generate now, as far as that can be told at little cost.

        Raises:
            HeadraceError: it could not.
        """
        ...

    async def close(self) -> None:
        """Stop what runs and let go of what is held."""
        ...
