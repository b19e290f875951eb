"""HTTP/1.1 for httpx2's requests: `headrace.http1`, with httpx2's exceptions. Never waits."""

import httpx2

from headrace.http1 import HeaderError, ProtocolError, ResponseReader, encode_request

__all__ = ["RequestResponseCycle"]


class RequestResponseCycle:
    """One request and its response.

    Args:
        request: its body has been read already.
    """

    def __init__(self, request: httpx2.Request) -> None:
        self._request = request
        self.response = ResponseReader(request.method)
        """The response as far as it was read; read it with this class."""

    def encode(self) -> bytes:
        """Encode the request.

        Raises:
            httpx2.LocalProtocolError: the request is invalid: a header with a line end, for example.
        """
        request = self._request
        try:
            head = encode_request(request.method.encode(), request.url.raw_path, request.headers.raw)
        except HeaderError as error:
            raise httpx2.LocalProtocolError(str(error)) from error
        return head + request.content

    def feed_head(self, data: bytes) -> bool:
        """Parse the response's head; return whether it is complete.

        Raises:
            httpx2.RemoteProtocolError: the response is not HTTP, or the connection ended.
        """
        try:
            return self.response.read_head(data)
        except ProtocolError as error:
            raise httpx2.RemoteProtocolError(error.message) from error

    def feed_body(self, data: bytes = b"") -> bytes:
        """Return the bytes of the body in `data`, and first those that came with the head.

        Raises:
            httpx2.RemoteProtocolError: the framing is invalid.
        """
        try:
            return self.response.read_body(data)
        except ProtocolError as error:
            raise httpx2.RemoteProtocolError(error.message) from error

    def finish(self) -> None:
        """Note that the connection ended.

        Raises:
            httpx2.RemoteProtocolError: the body is incomplete.
        """
        try:
            self.response.finish()
        except ProtocolError as error:
            raise httpx2.RemoteProtocolError(error.message) from error
