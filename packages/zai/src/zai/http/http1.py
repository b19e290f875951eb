"""HTTP/1.1, one request and its response: bytes out, bytes in. Never waits.

The heads are h11's business. The body is not: h11 spends 5 µs on each chunk of it, which is what a stream
consists of, while here all that one read brought becomes one piece (docs/measurements.md).
"""

import re
from typing import Final, Protocol

import h11
import httpx2

__all__ = ["Body", "RequestResponseCycle"]

_MAX_HEAD_BYTES: Final = 256 * 1024
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


class Body(Protocol):
    """The bytes of a body, without what frames them."""

    is_done: bool

    def feed(self, data: bytes) -> bytes:
        """What `data` holds of it."""
        ...


class RequestResponseCycle:
    """One request and its response.

    Args:
        request: whose body has been read.
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
        """The connection may carry another request."""
        return self._is_persistent and self.body.is_done

    def encode(self) -> bytes:
        """The request.

        Raises:
            httpx2.LocalProtocolError: something that cannot be sent, such as a line end in a header.
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
        """Read on in the response's head.

        Returns:
            None until the head is whole, then what came of the body.

        Raises:
            httpx2.RemoteProtocolError: this is no HTTP, or the connection ended.
        """
        self._head += data
        while end := _HEAD_END.search(self._head):
            head, self._head = self._head[: end.end()], self._head[end.end() :]
            event = self._next_event(head)
            if isinstance(event, h11.Response):
                self._begin(event)
                return self.body.feed(self._head) if self._head else b""
        if not data or len(self._head) > _MAX_HEAD_BYTES:
            what = f"after {self._head[:80]!r}" if self._head else "without an answer"
            message = f"the server closed the connection {what}"
            raise httpx2.RemoteProtocolError(message)
        return None

    def check_eof(self) -> None:
        """The connection ended: raise if the body has not."""
        if not self.body.is_done and not isinstance(self.body, _UntilCloseBody):
            message = "the server closed the connection before the end of its answer"
            raise httpx2.RemoteProtocolError(message)

    def _next_event(self, head: bytes) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        try:
            self._connection.receive_data(head)
            return self._connection.next_event()
        except h11.RemoteProtocolError as error:
            message = f"the server's answer is no HTTP: {head[:80]!r} ({error})"
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
    """Everything up to the end of the connection."""

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
        self._left = 0  # of the chunk under way, its CRLF included
        self._held = b""  # the beginning of a line
        self._in_trailers = False

    def feed(self, data: bytes) -> bytes:
        pieces = []
        if self._held:
            data, self._held = self._held + data, b""
        at = 0
        if self._left:
            pieces.append(data[: max(self._left - 2, 0)])
            at = min(self._left, len(data))
            self._left -= at
        while at < len(data) and not self.is_done:
            end = data.find(b"\r\n", at)
            if end < 0:
                self._held = data[at:]
                break
            line, at = data[at:end], end + 2
            if self._in_trailers:
                self.is_done = not line
            elif size := self._size(line):
                pieces.append(data[at : at + size])
                self._left = max(at + size + 2 - len(data), 0)
                at += size + 2
            else:
                self._in_trailers = True
        return b"".join(pieces)

    def _size(self, line: bytes) -> int:
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            size = -1
        if size < 0:
            message = f"the server's answer is no HTTP: {line[:80]!r} where a chunk's size belongs"
            raise httpx2.RemoteProtocolError(message)
        return size
