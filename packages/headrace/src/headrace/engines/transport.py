"""How a server is reached: a request out, its response into a listener. Over HTTP, or from a recording."""

from typing import Protocol

import msgspec

from headrace.engines.base import Run
from headrace.engines.protocols.error_mapping import Upstream
from headrace.errors import HeadraceError

__all__ = ["ResponseHead", "ResponseListener", "Transport"]


class ResponseHead(msgspec.Struct, frozen=True):
    """What precedes a body.

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
        """The response is complete, was stopped, or failed: EngineError 1221 for an unreachable server."""
        ...


class Transport(Protocol):
    """The way to one server."""

    upstream: Upstream

    def post(self, path: str, body: bytes, listener: ResponseListener) -> Run:
        """Send a request."""
        ...

    async def check(self) -> None:
        """Return if the server responds, even if it does not know the path.

        Raises:
            EngineError: no response, or a failure.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
