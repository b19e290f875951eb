"""The interface of an engine: it takes a generation and emits events.

    async for events in engine.generate(generation):    # a list: the events that were ready together
        …

An engine may emit `Progress` while it processes the prompt, then emits `Text` or parsed events, and last
exactly one `Finish`. An empty list is a heartbeat: the engine is alive, but has no event to emit. A failure
raises `HeadraceError`: before the first event it becomes the response's status, later the end of the stream.
Closing the iterator aborts the generation.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from headrace.events import Event, Text
from headrace.wire.request import ChatRequest

__all__ = ["Engine", "Generation"]


class Generation(msgspec.Struct, frozen=True):
    """The input of an engine.

    Args:
        prompt: the rendered prompt, for engines that take text; see `headrace.prompts.escaping`.
        request: sampling, limits and stop strings; for engines that render and parse themselves, everything.
        prefix: the start of the answer, if it is to be continued.
        needs_token_ids: whether to emit the ids of the tokens if possible, because the answer may have to be
            continued: its text alone may be tokenized differently than it was generated.
    """

    prompt: str
    request: ChatRequest
    prefix: tuple[Text, ...] = ()
    needs_token_ids: bool = False


class Engine(Protocol):
    """A model that runs somewhere."""

    @property
    def continues(self) -> bool:
        """Whether it can continue a partial answer (`Generation.prefix`)."""
        ...

    def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """Generate the answer. Nothing is computed before the first `__anext__`."""
        ...

    async def check(self) -> None:
        """Check, at little cost, whether the engine is available.

        Raises:
            HeadraceError: it is not.
        """
        ...

    async def close(self) -> None:
        """Abort all generations and release all resources."""
        ...
