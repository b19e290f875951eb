"""Stops a generation on a server that may ignore a disconnect."""

import asyncio
from typing import Final

import msgspec

from headrace.engines.base import Run
from headrace.engines.protocols.dialects import AbortEndpoint
from headrace.engines.transport import ResponseHead, Transport
from headrace.errors import HeadraceError

__all__ = ["Abort"]

_ABORT_SECONDS: Final = 2.0


class Abort:
    """Sends an abort, and closes the connection only then.

    Args:
        transport: to the server.
        endpoint: what it offers for this.
        id: of the generation.
        request: whose response is the generation.
    """

    def __init__(self, transport: Transport, endpoint: AbortEndpoint, id: str, request: Run) -> None:
        self._aborted = request
        body = msgspec.json.encode({endpoint.id_field: id})
        self._request = transport.post(endpoint.path, body, self)
        self._timer = asyncio.get_running_loop().call_later(_ABORT_SECONDS, self._request.stop)

    def on_head(self, head: ResponseHead) -> None:
        pass

    def on_body(self, data: bytes) -> None:
        pass

    def on_end(self, error: HeadraceError | None) -> None:  # noqa: ARG002 - then closing is all that is left
        self._timer.cancel()
        self._aborted.stop()
        del self._aborted, self._request  # the latter refers to this listener
