r"""HTTP/1.1 without I/O: encode a request, read its response from whatever bytes arrive.

    reader = ResponseReader(method)
    while not reader.read_head(data): …         more bytes
    body = reader.read_body()                   what came with the head
    body = reader.read_body(data)               and so on until `reader.is_done`
    reader.finish()                             the connection ended

The states of a reader:

    HEAD ──▶ NO_BODY, COUNTED, CHUNKED, UNTIL_CLOSE ──▶ DONE
      └─ 1xx: the next head

Whatever is not body has a limit, and is searched once however it is cut. A connection can carry another
request only if nothing follows the response: unrequested bytes are never the next response (RFC
9112, 6.3). Grammar and framing follow RFC 9112; a bare LF may end a line of the head, as section 2.2 allows.
"""

import re
from collections.abc import Iterable
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from headrace.errors import DecodeError

__all__ = [
    "MAX_HEAD",
    "HeaderError",
    "Headers",
    "ProtocolError",
    "ResponseReader",
    "encode_chunk",
    "encode_request",
]

MAX_HEAD: Final = 256 * 1024
"""Bytes of a response's head, interim responses included."""

_MAX_LINE: Final = 4096  # bytes of a chunk's size with its extensions
_MAX_TRAILERS: Final = 16 * 1024
_MAX_SIZE_DIGITS: Final = 12  # hexadecimal: 256 TiB

Headers = list[tuple[bytes, bytes]]
"""Names as sent, and values, in their order."""

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_VALUE: Final = rb"[^\x00-\x08\x0a-\x1f\x7f]*+"
_QUOTED: Final = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*"'
_EXTENSION: Final = rb"[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)

# White space is matched once, without trying again from each of its characters.
_HEAD_END: Final = re.compile(rb"\n\r?\n")
_FOLD: Final = re.compile(rb"(?<![ \t])[ \t]*+\r?\n[ \t]++")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: %b)?" % _VALUE)
_FIELD: Final = re.compile(rb"(%b):[ \t]*+(%b)" % (_TOKEN, _VALUE))
# A line of a head, without the white space around its value.
_FIELD_LINE: Final = re.compile(
    rb"^(%b):[ \t]*+((?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?+)[ \t]*+\r?$" % _TOKEN, re.MULTILINE
)
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]+)(?:%b)*[ \t]*" % _EXTENSION)
_PLAIN_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,%d})\r\n" % _MAX_SIZE_DIGITS)  # fast path: no extension
_NAME: Final = re.compile(_TOKEN)
_FIELD_VALUE: Final = re.compile(_VALUE)
_TARGET: Final = re.compile(rb"[\x21-\x7e]+")


class ProtocolError(DecodeError):
    """The peer's bytes are not an HTTP/1.1 response, or exceed a limit."""


class HeaderError(ValueError):
    """The request cannot be encoded: a name, value or target contains a forbidden character."""


class _Framing(Enum):
    """How the end of a body is found."""

    NO_BODY = auto()
    COUNTED = auto()
    UNTIL_CLOSE = auto()


_NO_BODY, _COUNTED, _UNTIL_CLOSE = _Framing  # Python 3.11 takes long to find a member


class _Expect(Enum):
    """What comes next in a chunked body; nothing before it, after it, and in any other body."""

    NOTHING = auto()
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()  # the CRLF after a chunk's data
    TRAILER = auto()


_NOTHING, _SIZE, _DATA, _DATA_END, _TRAILER = _Expect


def encode_request(method: bytes, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encode a request's head.

    Raises:
        HeaderError: it would not be one head: a line end, a NUL or a space where none may be.
    """
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    if not _NAME.fullmatch(method) or not _TARGET.fullmatch(target):
        msg = f"{lines[0]!r} is not a request line"
        raise HeaderError(msg)
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _FIELD_VALUE.fullmatch(value):
            msg = f"the header {name!r} has a character that HTTP forbids"
            raise HeaderError(msg)
        lines.append(b"%b: %b" % (name, value))
    return b"\r\n".join([*lines, b"", b""])


def encode_chunk(data: bytes) -> bytes:
    """Encode a chunk of a body whose length is not known; b"" encodes its end."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class ResponseReader:
    """Reads the response to one request.

    Args:
        method: of the request: the response to HEAD has no body.
        max_head: bytes of a head.
    """

    def __init__(self, method: str, *, max_head: int = MAX_HEAD) -> None:
        self.status = 0
        self.version = ""
        self.headers: Headers = []
        self._values: dict[bytes, bytes] = {}  # by lower-case name
        self.is_done = False
        """The response has been read to its end."""
        self._method = method
        self._max_head = max_head
        self._head_bytes = 0  # of heads that are complete
        self._held = b""  # bytes that are not read yet: a part of a head or of a line
        self._searched = 0  # how much of them holds no end
        self._framing = _NO_BODY
        self._is_persistent = False
        self._left = 0  # bytes of the body, or of the chunk
        self._expect = _NOTHING
        self._trailer_bytes = 0

    @property
    def is_reusable(self) -> bool:
        """Whether the connection may carry another request."""
        return self.is_done and self._is_persistent

    def header(self, name: bytes) -> bytes:
        """Return a header by its lower-case name: several joined with commas, b"" if there is none."""
        return self._values.get(name, b"")

    def drop_headers(self) -> None:
        """Forget the headers: with many open responses, they take a kilobyte each."""
        self.headers, self._values = [], {}

    def read_head(self, data: bytes) -> bool:
        """Continue with the head; True once it is complete.

        Raises:
            ProtocolError: this is not a head, it is too large, or `data` is b"": the connection ended.
        """
        self._held += data
        while end := _HEAD_END.search(self._held, self._searched):
            self._head_bytes += end.end()
            head = self._held[: end.start()].removesuffix(b"\r")
            self._held, self._searched = self._held[end.end() :], 0
            if self._head_bytes > self._max_head:
                break
            if self._parse_head(head):
                return True
        if self._head_bytes + len(self._held) > self._max_head:
            msg = f"the server's response has a head of more than {self._max_head} bytes"
            raise ProtocolError(msg)
        if not data:
            where = f"after {self._held[:80]!r}" if self._held else "without a response"
            msg = f"the server closed the connection {where}"
            raise ProtocolError(msg)
        self._searched = max(len(self._held) - 3, 0)
        return False

    def read_body(self, data: bytes = b"") -> bytes:
        """Return the bytes of the body in `data`, and in what came with the head.

        Raises:
            ProtocolError: the framing is invalid, or exceeds a limit.
        """
        if self._expect is _SIZE and not self._held:
            line = _size_line_within(len(data))
            body = data.removeprefix(line).removesuffix(b"\r\n")
            if len(data) == len(line) + len(body) + 2:
                return body  # of one whole chunk, as an event of a stream usually arrives
        if self._held:
            data, self._held = self._held + data, b""
        if self._expect is not _NOTHING:
            return self._read_chunks(data)
        if self._framing is _UNTIL_CLOSE:
            return data
        body = data[: self._left]
        self._left -= len(body)
        self.is_done = not self._left
        self._refuse_surplus(len(data) - len(body))
        return body

    def finish(self) -> None:
        """Note that the connection ended.

        Raises:
            ProtocolError: the response is incomplete.
        """
        if self._framing is _UNTIL_CLOSE:
            self.is_done = True
        elif not self.is_done:
            msg = "the server closed the connection before the end of its response"
            raise ProtocolError(msg)

    def _refuse_surplus(self, count: int) -> None:
        if count:
            self._is_persistent = False

    # --- head -----------------------------------------------------------------------------------------

    def _parse_head(self, head: bytes) -> bool:
        """Parse one head; False if it is an interim response."""
        if b"\n " in head or b"\n\t" in head:
            head = _FOLD.sub(b" ", head)
        first, _, lines = head.partition(b"\n")
        status_line = _STATUS_LINE.fullmatch(first.removesuffix(b"\r"))
        self.headers = _FIELD_LINE.findall(lines)
        if status_line is None or len(self.headers) < head.count(b"\n"):
            raise _not_http(head)
        self._values = {name.lower(): value for name, value in self.headers}
        if len(self._values) < len(self.headers):
            self._join_values()
        self.version, self.status = f"HTTP/1.{status_line[1].decode()}", int(status_line[2])
        if self.status == 101:
            msg = "the server switched protocols, which was not requested"
            raise ProtocolError(msg)
        if self.status < 200:
            return False
        self._is_persistent = status_line[1] != b"0" and b"close" not in _words(self.header(b"connection"))
        self._frame()
        return True

    def _join_values(self) -> None:
        self._values = {}
        for name, value in self.headers:
            key = name.lower()
            self._values[key] = b"%b, %b" % (self._values[key], value) if key in self._values else value

    def _frame(self) -> None:
        """Decide where the body ends: RFC 9112, 6.3."""
        coding, length = self.header(b"transfer-encoding"), self.header(b"content-length")
        if self._method == "HEAD" or self.status in (204, 304):
            self.is_done = not self._held
            self._refuse_surplus(len(self._held))
        elif coding:
            if coding.lower() != b"chunked":
                msg = f"the server's response has the transfer coding {coding[:80]!r} and not chunked"
                raise ProtocolError(msg)
            self._expect = _SIZE
            self._refuse_surplus(len(length))  # both is a sign of smuggling
        elif length:
            sizes = set(_words(length))
            size = next(iter(sizes))
            if len(sizes) > 1 or not size.isdigit() or len(size) > 18:
                msg = f"the server's response has the Content-Length {length[:80]!r}"
                raise ProtocolError(msg)
            self._framing, self._left = _COUNTED, int(size)
            self.is_done = not self._left
        else:
            self._framing, self._is_persistent = _UNTIL_CLOSE, False

    # --- chunks ---------------------------------------------------------------------------------------

    def _read_chunks(self, data: bytes) -> bytes:
        r"""`size CRLF data CRLF` …, a chunk of size 0, trailers, an empty line."""
        body: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.is_done:
            if self._expect is _SIZE:
                at = _read_whole_chunks(data, at, body)
            elif self._expect is _DATA:
                end = min(at + self._left, size)
                body.append(data[at:end])
                self._left -= end - at
                at = end
                if not self._left:
                    self._expect = _DATA_END
                continue
            if at == size:
                break
            end = data.find(b"\r\n", max(at, self._searched))
            self._searched = 0
            if end < 0:
                self._hold_line(data[at:])
                break
            self._read_line(data[at:end])
            at = end + 2
        if self.is_done:
            self._refuse_surplus(size - at)
        return body[0] if len(body) == 1 else b"".join(body)

    def _hold_line(self, line: bytes) -> None:
        if self._expect is _DATA_END and line != b"\r":
            raise _malformed(line, "the end of a chunk")
        self._check_limits(line)
        self._held = line
        self._searched = len(line) - 1

    def _read_line(self, line: bytes) -> None:
        if self._expect is _SIZE:
            self._left = self._size(line)
            self._expect = _DATA if self._left else _TRAILER
        elif self._expect is _DATA_END:
            if line:
                raise _malformed(line, "the end of a chunk")
            self._expect = _SIZE
        else:
            self._check_limits(line)
            self._trailer_bytes += len(line) + 2
            if line and not _FIELD.fullmatch(line):
                raise _malformed(line, "a trailer")
            if not line:
                self.is_done, self._expect = True, _NOTHING

    def _size(self, line: bytes) -> int:
        self._check_limits(line)
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise _malformed(line, "the size of a chunk")
        if len(found[1]) > _MAX_SIZE_DIGITS:
            msg = f"the server's response has a chunk size of more than {_MAX_SIZE_DIGITS} digits"
            raise ProtocolError(msg)
        return int(found[1], 16)

    def _check_limits(self, line: bytes) -> None:
        limit = _MAX_TRAILERS - self._trailer_bytes if self._expect is _TRAILER else _MAX_LINE
        if len(line) > limit:
            what = "trailers" if self._expect is _TRAILER else "a chunk size line"
            bound = _MAX_TRAILERS if self._expect is _TRAILER else _MAX_LINE
            msg = f"the server's response has {what} of more than {bound} bytes"
            raise ProtocolError(msg)


def _not_http(head: bytes) -> ProtocolError:
    return ProtocolError(f"the server's response is not HTTP/1.1: {head[:80]!r}")


def _read_whole_chunks(data: bytes, at: int, body: list[bytes]) -> int:
    """Read chunks that are whole and have no extension, as usual; return where something else begins."""
    while chunk := _PLAIN_SIZE.match(data, at):
        begin = chunk.end()
        end = begin + int(chunk[1], 16)
        if end == begin or data[end : end + 2] != b"\r\n":
            break
        body.append(data[begin:end])
        at = end + 2
    return at


@lru_cache(maxsize=1024)
def _size_line_within(size: int) -> bytes:
    """Return the usual size line of a chunk that has `size` bytes, line ends included."""
    for digits in range(1, _MAX_SIZE_DIGITS):
        line = b"%x\r\n" % max(size - digits - 4, 0)
        if len(line) == digits + 2 and line != b"0\r\n":
            return line
    return bytes(size + 1)  # no chunk has this size; what is longer is no prefix


def _words(value: bytes) -> list[bytes]:
    """Split a comma-separated header value, in lower case."""
    return [word.strip(b" \t") for word in value.lower().split(b",")]


def _malformed(line: bytes, expected: str) -> ProtocolError:
    return ProtocolError(f"the server's response is not HTTP/1.1: {line[:80]!r} instead of {expected}")
