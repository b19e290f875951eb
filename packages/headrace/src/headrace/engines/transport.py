"""How a server is reached: ask, read bytes as they come, leave at once. Over HTTP, or from a trace."""

from typing import Protocol

from headrace.engines.protocols.error_mapping import Source

__all__ = ["Answer", "Transport"]


class Answer(Protocol):
    """The head of an answer, and its body piece by piece."""

    status: int
    content_type: str
    retry_after: str
    """The header of that name; "" if there is none."""

    async def read(self) -> bytes:
        """What has come, at least a byte; b"" at the end.

        Raises:
            EngineError: the connection broke.
        """
        ...

    def close(self) -> None:
        """No more is wanted: unless the end has come, the server is told at once."""
        ...


class Transport(Protocol):
    """The way to one server."""

    source: Source

    async def post(self, path: str, body: bytes) -> Answer:
        """Ask; returns with the head of the answer, whatever its status.

        Raises:
            EngineError: 1221, the server does not answer.
        """
        ...

    async def check(self) -> None:
        """Whether the server answers, if only that it does not know what it is asked for.

        Raises:
            EngineError: no answer, or a failure.
        """
        ...

    async def close(self) -> None:
        """Let go of what is held."""
        ...
