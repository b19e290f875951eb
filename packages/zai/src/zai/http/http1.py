"""HTTP/1.1: one request and its response, as bytes. Never waits.

h11 encodes and parses the heads, but not the body: it spends 5 µs on each chunk, and a stream consists of
chunks. Here the chunks of one read become one `bytes` (docs/measurements.md).
"""

import re
from typing import Final, Protocol

import h11
import httpx2

__all__ = ["Body", "RequestResponseCycle"]

_MAX_HEAD_BYTES: Final = 256 * 1024
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


class Body(Protocol):
    """Decodes the framing of a body."""

    is_done: bool

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body in `data`."""
        ...


class RequestResponseCycle:
    """One request and its response.

    Args:
        request: its body has been read already.
    """

    def __init__(self, request: httpx2.Request) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: Body = _NoBody()
        self._request = request
        self._connection = h11.Connection(h11.CLIENT)
        self._head = b""
        self._is_persistent = False

    @property
    def is_reusable(self) -> bool:
        """Whether the connection can be used for another request."""
        return self._is_persistent and self.body.is_done

    def encode(self) -> bytes:
        """Encode the request.

        Raises:
            httpx2.LocalProtocolError: the request is invalid: a header with a line end, for example.
        """
        request = self._request
        try:
            head = h11.Request(
                method=request.method, target=request.url.raw_path, headers=request.headers.raw
            )
            events = (head, h11.Data(data=request.content), h11.EndOfMessage())
            return b"".join(self._connection.send(event) or b"" for event in events)
        except h11.LocalProtocolError as error:
            raise httpx2.LocalProtocolError(str(error)) from error

    def feed_head(self, data: bytes) -> bytes | None:
        """Parse the response's head.

        Returns:
            None until the head is complete, then the bytes of the body that came with it.

        Raises:
            httpx2.RemoteProtocolError: the response is not HTTP, or the connection ended.
        """
        self._head += data
        while end := _HEAD_END.search(self._head):
            head, self._head = self._head[: end.end()], self._head[end.end() :]
            event = self._next_event(head)
            if isinstance(event, h11.Response):
                self._begin(event)
                return self.body.feed(self._head) if self._head else b""
        if not data or len(self._head) > _MAX_HEAD_BYTES:
            when = f"after {self._head[:80]!r}" if self._head else "without a response"
            message = f"the server closed the connection {when}"
            raise httpx2.RemoteProtocolError(message)
        return None

    def check_eof(self) -> None:
        """Raise if the connection ended before the body."""
        if not self.body.is_done and not isinstance(self.body, _UntilCloseBody):
            message = "the server closed the connection before the end of its response"
            raise httpx2.RemoteProtocolError(message)

    def _next_event(self, head: bytes) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            self._connection.receive_data(head)
            return self._connection.next_event()
        except h11.RemoteProtocolError as error:
            message = f"the server's response is not HTTP: {head[:80]!r} ({error})"
            raise httpx2.RemoteProtocolError(message) from error

    def _begin(self, head: h11.Response) -> None:
        self.status = head.status_code
        self.headers = head.headers.raw_items()
        fields = {name.lower(): value.lower() for name, value in self.headers}
        if self._request.method == "HEAD" or self.status in (204, 304):
            self.body = _NoBody()
        elif b"transfer-encoding" in fields:
            self.body = _ChunkedBody()
        elif b"content-length" in fields:
            self.body = _ContentLengthBody(int(fields[b"content-length"]))
        else:
            self.body = _UntilCloseBody()
        self._is_persistent = head.http_version >= b"1.1" and fields.get(b"connection") != b"close"


class _NoBody:
    is_done = True

    def feed(self, data: bytes) -> bytes:
        return data[:0]


class _UntilCloseBody:
    """A body that ends with the connection."""

    is_done = False

    def feed(self, data: bytes) -> bytes:
        return data


class _ContentLengthBody:
    def __init__(self, size: int) -> None:
        self._left = size
        self.is_done = size == 0

    def feed(self, data: bytes) -> bytes:
        data = data[: self._left]
        self._left -= len(data)
        self.is_done = self._left == 0
        return data


class _ChunkedBody:
    r"""`size CRLF data CRLF` …, a chunk of size 0, trailers, an empty line."""

    def __init__(self) -> None:
        self.is_done = False
        self._left = 0  # bytes of the current chunk, its CRLF included
        self._partial_line = b""
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        content = []
        if self._partial_line:
            data, self._partial_line = self._partial_line + data, b""
        at = 0
        if self._left:
            content.append(data[: max(self._left - 2, 0)])
            at = min(self._left, len(data))
            self._left -= at
        while at < len(data) and not self.is_done:
            end = data.find(b"\r\n", at)
            if end < 0:
                self._partial_line = data[at:]
                break
            line, at = data[at:end], end + 2
            if self._in_trailers:
                self.is_done = not line
            elif size := self._size(line):
                content.append(data[at : at + size])
                self._left = max(at + size + 2 - len(data), 0)
                at += size + 2
            else:
                self._in_trailers = True
        return b"".join(content)

    def _size(self, line: bytes) -> int:
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            size = -1
        if size < 0:
            message = f"the server's response is not HTTP: {line[:80]!r} is not a chunk's size"
            raise httpx2.RemoteProtocolError(message)
        return size
