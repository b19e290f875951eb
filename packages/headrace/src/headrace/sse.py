"""Server-Sent Events: bytes ⇄ events, by the WHATWG standard. No I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import msgspec

from headrace.errors import DecodeError

__all__ = ["DONE", "SseDecoder", "SseEvent", "encode_comment", "encode_event", "escape_line_ends", "separate"]

DONE = b"[DONE]"
_BOM = b"\xef\xbb\xbf"
_PLAIN = b"data: "
_CR = ord("\r")  # a byte is found five times as fast as bytes
_MAX_UNPARSED_BYTES = 64 * 1024
# The official SDK splits lines at these characters and crashes. JSON allows to escape them.
_LINE_ENDS = ((b"\xc2\x85", b"\\u0085"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """A dispatched event. `data` is not decoded; `id` is the stream's last event id."""

    data: bytes
    event: str = ""
    id: str = ""


def encode_event(data: bytes, *, event: str = "", id: int | None = None) -> bytes:
    """Encode an event. `data` must not contain a line end (JSON never does)."""
    frame = b"data: %b\n\n" % data
    if id is not None:
        frame = b"id: %d\n%b" % (id, frame)
    return b"event: %b\n%b" % (event.encode(), frame) if event else frame


def escape_line_ends(data: bytes) -> bytes:
    """Escape line ends other than LF and CR in JSON: U+0085, U+2028 and U+2029."""
    if data.isascii():
        return data
    for raw, escaped in _LINE_ENDS:
        if raw in data:
            data = data.replace(raw, escaped)
    return data


def encode_comment(text: str) -> bytes:
    r"""Encode a comment, for keep-alives.

    It has a single line end: the blank line of `: ping\n\n` after an event with an `id:` crashes PyPI's
    openai (openai-python#2722).
    """
    return b": %b\n" % text.encode()


class SseDecoder:
    """An incremental decoder; the boundaries of the fed bytes make no difference.

    A block ends at a blank line. If every block is one line `data: …`, one `split` finds them all; other
    blocks are parsed line by line.

    Args:
        max_event_bytes: a longer block raises `DecodeError`.
    """

    def __init__(self, max_event_bytes: int = 16 * 1024 * 1024) -> None:
        self.last_event_id = ""
        """The id of the last complete block. A truncated event does not count, so that it is sent again."""
        self.is_numbered = True
        """Whether the last event without a name, if there was one, had an `id:` of its own."""
        self.retry_ms: int | None = None
        self.has_joined = False
        """Whether an event so far had several `data` lines, which its `data` joins."""
        self.unfinished: SseEvent | None = None
        """After `finish`: the event at the end that lacks its blank line. The standard drops it."""
        self._max = max_event_bytes
        self._start: bytes | None = b""  # the first bytes, while they may be part of a byte order mark
        self._after_cr = False
        self._has_partial = True  # one of the two above, or a block that has not ended
        self._rest: list[bytes] = []  # the block that has not ended yet
        self._rest_size = 0
        self.has_unparsed = False
        """Whether there were lines that are not SSE fields."""
        self._unparsed: list[bytes] = []
        self._unparsed_size = 0

    @property
    def unparsed(self) -> bytes:
        """The lines that are not SSE fields, such as the body of an error response."""
        return b"\n".join(self._unparsed)

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events that `data` completes."""
        if self._has_partial or _CR in data:
            data = self._continue(data)
        line, _, rest = data.partition(b"\n")
        if rest == b"\n" and line[:6] == _PLAIN and len(line) <= self._max:
            self.is_numbered = False
            return [SseEvent(line[6:], "", self.last_event_id)]  # one event, as a stream's usually arrive
        if data[-2:] != b"\n\n":
            end = data.rfind(b"\n\n") + 2 if b"\n\n" in data else 0
            self._buffer(data[end:])
            data = data[:end]
        if data[:6] == _PLAIN and len(data) <= self._max:
            blocks = data[6:-2].split(b"\n\n" + _PLAIN)
            if data.count(b"\n") == 2 * len(blocks):
                last_id, self.is_numbered = self.last_event_id, False
                return [SseEvent(block, "", last_id) for block in blocks]
        return self._parse_all(data[:-2].split(b"\n\n"))

    def finish(self) -> list[SseEvent]:
        """Move the rest to `unfinished` and `unparsed`; never an event."""
        last_event_id = self.last_event_id
        self.unfinished = self._parse(b"".join((self._start or b"", *self._rest)), is_cut_off=True)
        self.last_event_id = last_event_id
        self._rest.clear()
        return []

    def _parse_all(self, blocks: list[bytes]) -> list[SseEvent]:
        events = []
        for block in filter(None, blocks):
            self._check_size(len(block))
            if (event := self._parse(block)) is not None:
                events.append(event)
        return events

    def _continue(self, data: bytes) -> bytes:
        """Handle what may span two reads: byte order mark, line ends, the start of the block."""
        if self._start is not None:
            data = self._strip_bom(data)
        if self._after_cr or _CR in data:
            data = self._normalise(data)
        if self._rest:
            data = self._join(data)
        self._has_partial = bool(self._rest) or self._after_cr or self._start is not None
        return data

    def _join(self, data: bytes) -> bytes:
        """Prepend the buffered bytes once a blank line arrived, so that each byte is copied once."""
        ends_here = data.startswith(b"\n") and self._rest[-1].endswith(b"\n")
        self._buffer(data)
        if not ends_here and b"\n\n" not in data:
            return b""
        data = b"".join(self._rest)
        self._rest.clear()
        self._rest_size = 0
        return data

    def _parse(self, block: bytes, *, is_cut_off: bool = False) -> SseEvent | None:
        data: list[bytes] = []
        event = ""
        has_id = False
        lines = block.split(b"\n")
        for line in lines:
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
            elif name == b"id":
                has_id = True
                if b"\0" not in value:
                    self.last_event_id = value.decode("utf-8", "replace")
            elif name == b"event":
                event = value.decode("utf-8", "replace")
            elif name == b"retry":
                is_complete = not (is_cut_off and line is lines[-1])
                if is_complete and value.isdigit() and len(value.lstrip(b"0")) < 10:
                    self.retry_ms = int(value)
            elif name and self._unparsed_size < _MAX_UNPARSED_BYTES:
                self.has_unparsed = True
                self._unparsed.append(value if name == b"error" else line)  # `error: {…}` of llama-box
                self._unparsed_size += len(line)
        self.has_joined |= len(data) > 1
        if data and not event and not is_cut_off:
            self.is_numbered = has_id
        return SseEvent(b"\n".join(data), event, self.last_event_id) if data else None

    def _buffer(self, data: bytes) -> None:
        if data:
            self._rest.append(data)
            self._has_partial = True
            self._rest_size += len(data)
            self._check_size(self._rest_size)

    def _check_size(self, size: int) -> None:
        if size > self._max:
            msg = f"an event of the stream is longer than {self._max} bytes"
            raise DecodeError(msg)

    def _normalise(self, data: bytes) -> bytes:
        """Convert all line ends to LF; a CRLF may span two reads."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if data.endswith(b"\r"):
            self._after_cr = True
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _strip_bom(self, data: bytes) -> bytes:
        data = (self._start or b"") + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._start = data
            return b""
        self._start = None
        return data.removeprefix(_BOM)


def separate(event: SseEvent) -> list[SseEvent]:
    """Split an event into its lines if each is JSON of its own: some servers leave out the blank lines."""
    lines = event.data.split(b"\n")
    if len(lines) > 1 and all(line == DONE or (line[:1] == b"{" and line[-1:] == b"}") for line in lines):
        return [SseEvent(line, event.event, event.id) for line in lines]
    return [event]
