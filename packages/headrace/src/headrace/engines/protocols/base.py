"""The interface of a protocol: generation → request body, response chunks → events."""

from typing import Protocol as TypingProtocol

from headrace.engines.base import Generation
from headrace.engines.protocols.chunk_fields import Ending
from headrace.engines.protocols.dialects import Dialect
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.events import Event

__all__ = ["Protocol", "Reader"]


class Reader(TypingProtocol):
    """The incremental reader of one response."""

    ending: Ending
    """What has been received of the end: `is_last` if nothing has followed the finish reason."""

    def text_in(self, data: bytes) -> str:
        """Return the text of a chunk like the latest one if it has nothing else; otherwise ""."""
        ...

    def read_texts(self, texts: list[str]) -> list[Event]:
        """Return the events of more chunks like the one of `text_in`, but with these texts."""
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

    def revised(self, generation: Generation, refusal: str) -> Generation | None:
        """Return the generation in a form that the server accepts, and remember that; None if there is none.

        Args:
            generation: the one that the server has refused.
            refusal: the body of its response.
        """
        ...

    def encode_count(self, generation: Generation) -> tuple[str, bytes] | None:
        """Return the path and the body of a request that counts the prompt's tokens; None if none can."""
        ...

    def reader(self, generation: Generation) -> Reader:
        """Return a new reader for the response."""
        ...
