"""What a protocol is: a request → a body, and the answer's chunks → events."""

from typing import Protocol as TypingProtocol

from headrace.engines.base import Generation
from headrace.events import Event

__all__ = ["Protocol", "Reader"]


class Reader(TypingProtocol):
    """Reads one answer, chunk by chunk."""

    @property
    def is_ending(self) -> bool:
        """The model is done; at most the usage is still to come."""
        ...

    @property
    def is_finished(self) -> bool:
        """The `Finish` has been said."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """The events of one chunk.

        Raises:
            HeadraceError: the chunk is an error, or nothing that can be read.
        """
        ...

    def finish(self) -> list[Event]:
        """The answer has ended: what was waited for does not come any more.

        Raises:
            EngineError: the model was not done.
        """
        ...


class Protocol(TypingProtocol):
    """One way to ask a server for a generation."""

    @property
    def path(self) -> str:
        """Behind the server's base URL."""
        ...

    @property
    def continues(self) -> bool:
        """Whether a generation can go on from within an answer: the prompt is ours to write."""
        ...

    def encode(self, generation: Generation) -> bytes:
        """The request's body.

        Raises:
            RequestError: 1212, the request asks for what cannot be had this way.
        """
        ...

    def reader(self, generation: Generation) -> Reader:
        """A fresh reader for the answer to this generation."""
        ...
