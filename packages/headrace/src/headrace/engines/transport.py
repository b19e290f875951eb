"""The interface of a transport: send requests to an upstream server and read its responses incrementally."""

from typing import Protocol

from headrace.engines.protocols.error_mapping import Upstream

__all__ = ["Transport", "UpstreamResponse"]


class UpstreamResponse(Protocol):
    """A response whose body has not been read yet."""

    status: int
    content_type: str
    retry_after: str
    """The `Retry-After` header, or ""."""

    async def read(self) -> bytes:
        """Read the available bytes, at least one; b"" at the end.

        Raises:
            EngineError: the connection was lost.
        """
        ...

    def close(self) -> None:
        """Release the connection: keep it alive if the body was read to its end, otherwise close it."""
        ...


class Transport(Protocol):
    """A connection, or a pool of them, to one server."""

    upstream: Upstream

    async def post(self, path: str, body: bytes) -> UpstreamResponse:
        """Send a POST request; return when the response's headers are received, whatever the status.

        Args:
            path: relative to the server's base URL; with a leading slash, from the server's root.
            body: JSON.

        Raises:
            EngineError: 1221, the server is unreachable.
        """
        ...

    async def check(self) -> None:
        """Check whether the server responds; a 4xx status is a response.

        Raises:
            EngineError: the server is unreachable, or responds with a 5xx status.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
