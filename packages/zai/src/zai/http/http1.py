"""HTTP/1.1 for httpx2's requests: `headrace.http1`, with httpx2's exceptions. Never waits."""

import zlib
from typing import Final

import httpx2

from headrace.http1 import HeaderError, Headers, ProtocolError, ResponseReader, encode_request

__all__ = ["RequestResponseCycle"]


_GZIP: Final = (b"gzip", b"x-gzip")


class RequestResponseCycle:
    """One request and its response. A body in gzip is decompressed: httpx2 reads only its first member.

    Args:
        request: its body has been read already.
    """

    def __init__(self, request: httpx2.Request) -> None:
        self._request = request
        self.response = ResponseReader(request.method)
        """The response as far as it was read; read it with this class."""
        self.is_sent = True
        """Whether the request was sent to its end."""
        self._gzip: _GzipReader | None = None

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may carry another request."""
        return self.is_sent and self.response.is_reusable

    @property
    def headers(self) -> Headers:
        """The response's headers, without an encoding that is not that of the body here."""
        headers = self.response.headers
        if self._gzip is None:
            return headers
        return [(name, value) for name, value in headers if name.lower() != b"content-encoding"]

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
            is_complete = self.response.read_head(data)
        except ProtocolError as error:
            raise httpx2.RemoteProtocolError(error.message) from error
        if is_complete and self.response.header(b"content-encoding").lower() in _GZIP:
            self._gzip = _GzipReader()
        return is_complete

    def feed_body(self, data: bytes = b"") -> bytes:
        """Return the bytes of the body in `data`, and first those that came with the head.

        Raises:
            httpx2.RemoteProtocolError: the framing is invalid.
        """
        try:
            body = self.response.read_body(data)
            return body if self._gzip is None else self._gzip.feed(body)
        except ProtocolError as error:
            raise httpx2.RemoteProtocolError(error.message) from error
        except zlib.error as error:
            message = f"the server's response is not gzip, its Content-Encoding: {error}"
            raise httpx2.RemoteProtocolError(message) from error

    def finish(self) -> None:
        """Note that the connection ended.

        Raises:
            httpx2.RemoteProtocolError: the body is incomplete.
        """
        try:
            self.response.finish()
        except ProtocolError as error:
            raise httpx2.RemoteProtocolError(error.message) from error


class _GzipReader:
    """Decompresses any number of members, one after another (RFC 1952, 2.2)."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> bytes:
        parts = []
        while data:
            if self._member.eof:
                self._member = zlib.decompressobj(wbits=31)
            parts.append(self._member.decompress(data))
            data = self._member.unused_data
        return b"".join(parts)
