"""The interface of transports: send a request to a server, and push its response to a listener."""

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from headrace.engines.base import Run
from headrace.engines.protocols.error_mapping import Upstream
from headrace.errors import HeadraceError

__all__ = ["PostedRequest", "ResponseHead", "ResponseListener", "Transport"]


class ResponseHead(msgspec.Struct, frozen=True):
    """The head of a response.

    Args:
        status: of HTTP.
        content_type: in lower case, without parameters.
        retry_after: the header of that name; "" if there is none.
    """

    status: int
    content_type: str
    retry_after: str = ""


class ResponseListener(Protocol):
    """Receives a response: the head, the body as it arrives, and exactly one end; see `engines.base`."""

    def on_head(self, head: ResponseHead) -> None:
        """Receive the head."""
        ...

    def on_body(self, data: bytes) -> None:
        """Receive at least one byte of the body."""
        ...

    def on_end(self, error: HeadraceError | None) -> None:
        """Receive the end: complete, stopped, or failed with EngineError 1221 for an unreachable server."""
        ...


class PostedRequest(Run, Protocol):
    """A request and its response."""

    def measure(self, report: Callable[[float], None]) -> None:
        """Report the seconds that the listener takes for the next part of the response, if one arrives."""
        ...


class Transport(Protocol):
    """A connection to one server, or a substitute for it, such as a recording."""

    upstream: Upstream

    def post(
        self, path: str, body: bytes, listener: ResponseListener, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> PostedRequest:
        """Send a request, with headers besides those that every request has."""
        ...

    async def check(self) -> None:
        """Check that the server responds, even if it does not know the path.

        Raises:
            EngineError: no response, or a failure.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
