"""The interface of a protocol: generation → request body, response chunks → events."""

from typing import Protocol as TypingProtocol

from headrace.engines.base import Generation
from headrace.engines.protocols.dialects import Dialect
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.events import Event

__all__ = ["Protocol", "Reader"]


class Reader(TypingProtocol):
    """The incremental reader of one response."""

    @property
    def is_ending(self) -> bool:
        """Whether the finish reason was received, and no output after it."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether the `Finish` was returned."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """Return the events of a chunk.

        Raises:
            HeadraceError: the chunk is an error object, or cannot be decoded.
        """
        ...

    def finish(self) -> list[Event]:
        """Return the remaining events at the end of the response.

        Raises:
            EngineError: the response has no finish reason.
        """
        ...


class Protocol(TypingProtocol):
    """A kind of API for generations."""

    dialect: Dialect
    limits: TokenLimits

    @property
    def path(self) -> str:
        """The path of the endpoint, relative to the server's base URL."""
        ...

    @property
    def continues(self) -> bool:
        """Whether a generation can continue a partial answer, because Headrace renders the prompt."""
        ...

    def encode(self, generation: Generation, id: str = "") -> bytes:
        """Encode the request body.

        Args:
            generation: the generation to request.
            id: identifies the generation to the abort endpoint.

        Raises:
            RequestError: 1212, the protocol or the dialect does not support a field of the request.
        """
        ...

    def max_tokens(self, generation: Generation) -> int | None:
        """Return the limit of tokens that the request body has; None if it has none."""
        ...

    def token_limit(self, generation: Generation) -> int | None:
        """Return the limit of the answer's tokens; None if only the context limits it."""
        ...

    def reader(self, generation: Generation) -> Reader:
        """Return a new reader for the response."""
        ...
