"""Reading a request that starts a turn: authentication, limits and decoding, the same for every endpoint."""

from typing import NamedTuple

from headrace.server.connection import HttpConnection
from headrace.server.keys import ApiKeys
from headrace.wire import ChatRequest, decode_request

__all__ = ["ReceivedRequest", "RequestReader"]


class ReceivedRequest(NamedTuple):
    """An authenticated request, decoded and as received."""

    owner: str
    """The id of the caller's key."""
    request: ChatRequest
    body: bytes


class RequestReader:
    """Authentication and limits of the endpoints that start a turn.

    Args:
        keys: the API keys of the server.
        max_body_size: the limit of a request body in bytes.
    """

    def __init__(self, keys: ApiKeys, max_body_size: int) -> None:
        self._keys = keys
        self._max_body_size = max_body_size

    async def read(self, connection: HttpConnection) -> ReceivedRequest:
        """Check, read and decode the request of a connection.

        Raises:
            RequestError: the method is not POST, the body exceeds a limit, or a field is invalid.
            AccessError: the API key is missing or wrong.
        """
        connection.check_method("POST")
        owner = self._keys.check(connection.headers)
        body = await connection.body(self._max_body_size)
        return ReceivedRequest(owner, decode_request(body), body)
