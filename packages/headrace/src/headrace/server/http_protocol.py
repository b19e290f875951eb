"""uvicorn's HTTP/1.1 protocol with limits, documented errors, and callbacks for the response that is written.

What the client may do, in time and bytes, before its request is complete:

    IDLE ── first byte ──▶ HEAD ── the head is complete ──▶ BODY ── the body is complete ──▶ IDLE
     │ idle timeout: close   └──────────┬───────────────────┘
     ▼                                  └ request timeout, a limit, not HTTP ──▶ an error in JSON, close

While a request is answered, further requests wait unparsed, and reading continues: otherwise a disconnect
would not be noticed. Requests that arrive in one read are parsed at once, and wait in uvicorn's pipeline.

Java's HttpClient sends `Upgrade: h2c`, and so do LangChain4j and Spring AI. A server may ignore the offer
(RFC 9110, 7.8), but httptools does not parse what follows the headers, so the body would be lost. Therefore
the headers are parsed a second time without the offer, and the body after them.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, MutableMapping
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from headrace.errors import HeadraceError, LimitError, encode_error
from headrace.reached_limits import count_limit, report_limit
from headrace.server.connection import ERROR, Header, Send, error_headers, request_id_of
from headrace.server.connections import Connections
from headrace.server.flow_control import LeanFlowControl
from headrace.server.request_head import (
    MAX_TARGET,
    check_head,
    check_size,
    head_error,
    origin_form,
    replace_host,
    too_large,
)

__all__ = ["HttpProtocol", "Limits", "encode_head"]

_MAX_WAITING: Final = (
    256 * 1024
)  # bytes of requests behind the one that is answered; uvloop reads as much at once
_BODY_STEP: Final = 64 * 1024  # bytes of a body for which a client gets the request timeout again
_LINGER: Final = (
    5.0  # seconds to read after an error: closing at once would reset the connection, and lose it
)


class Limits(NamedTuple):
    """Limits of the connections of one server."""

    connections: Connections
    request_timeout: float
    """Seconds for a head, and for each 64 KiB of a body."""
    max_head_size: int
    """Bytes of a head; also of what follows a chunked body."""
    max_header_fields: int
    on_unread: Callable[[HeadraceError, str, str], object]
    """Called with the response to what is no request, the client's address, and the response's id."""


class _Reading(Enum):
    IDLE = auto()
    HEAD = auto()
    BODY = auto()


_IDLE, _HEAD, _BODY = _Reading  # Python 3.11 takes long to find a member of an enumeration


def _nothing() -> None:
    pass


class _Pipeline(list[Any]):
    """uvicorn's queue of requests that wait: usually empty, and an empty deque takes 760 bytes."""

    def appendleft(self, item: Any) -> None:
        self.insert(0, item)


class HttpProtocol(HttpToolsProtocol):
    """A client's connection.

    Args:
        limits: shared by all connections.
        options: those of uvicorn.
    """

    # With more than 30 attributes, Python would not share their names: 2 KB for each instance.
    __slots__ = (
        "_address",
        "_answered",
        "_body_size",
        "_error",
        "_is_late",
        "_limits",
        "_on_disconnect",
        "_on_writable",
        "_reading",
        "_unparsed",
        "_waiting",
    )

    def __init__(self, limits: Limits, **options: Any) -> None:
        super().__init__(**options)
        self.pipeline = _Pipeline()  # type: ignore[assignment]
        self._on_disconnect: Callable[[], object] = _nothing
        self._on_writable: Callable[[], object] = _nothing
        self._limits = limits
        self._address = ""
        self._reading = _IDLE
        self._body_size = 0  # since the timer was started
        self._unparsed = 0  # bytes of reads that completed neither a head nor a piece of a body
        self._is_late = False  # whether the timer has to be started anew
        self._answered: RequestResponseCycle | None = None
        self._waiting = bytearray()
        self._error: HeadraceError | None = None
        """The answer to what cannot be parsed; nothing is parsed after it."""

    def watch(self, on_disconnect: Callable[[], object], on_writable: Callable[[], object]) -> None:
        """Call back when the connection is lost, or its transport's buffer has room again."""
        self._on_disconnect, self._on_writable = on_disconnect, on_writable

    def unwatch(self) -> None:
        """Call back no more."""
        self._on_disconnect = self._on_writable = _nothing

    def close_after_response(self) -> None:
        """Announce with the last response that has not begun, if any, that the connection will be closed."""
        if self.cycle is not None and not self.cycle.response_started:
            self.cycle.keep_alive = False

    def evict(self) -> None:
        """Close the connection, which has no complete request."""
        self.transport.abort()

    # --- asyncio's callbacks ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.flow = LeanFlowControl(self.transport)
        self._address = self.client[0] if self.client else ""
        try:
            self._limits.connections.add(self, self._address)
        except LimitError as error:
            self.transport.write(self._response(error))
            self.transport.close()
        else:
            self._start_timer(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the disconnect."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._limits.connections.remove(self, self._address)
        if self._answered is not None and self._answered is not self.cycle:  # uvicorn tells only the last one
            _disconnect(self._answered)
        self._on_disconnect()

    def resume_writing(self) -> None:
        """Report the drained buffer."""
        super().resume_writing()
        self._on_writable()

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client, or keep them until the request before them is answered."""
        if self._error is not None:
            return
        if not self._is_answering():
            self._parse(data)
            return
        self._waiting += data
        if len(self._waiting) > _MAX_WAITING:
            self._fail(
                head_error(f"more than {_MAX_WAITING} bytes wait for the end of a response", status=431)
            )

    def timeout_keep_alive_handler(self) -> None:
        """The timer has expired."""
        if self._reading is _IDLE or self._error is not None:
            if self._error is None:
                count_limit("connection_idle_timeout")
            self.transport.close()
        elif self.flow.read_paused:  # the client may not send
            self._start_timer(self._limits.request_timeout)
        else:
            seconds = f"{self._limits.request_timeout:g} s"
            msg = f"the request took more than {seconds} for its head, or for 64 KiB of its body"
            report_limit("request_timeout", msg)
            self._fail(head_error(msg, status=408))

    # --- the parser's callbacks -------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._reading = _HEAD
        self._is_late = True

    def on_headers_complete(self) -> None:
        """Start the request."""
        version = self.parser.get_http_version()
        if self._unparsed > self._limits.max_head_size:  # with what follows the head
            check_size(self.url, self.headers, self._limits.max_head_size)
        check_head(version, self.url, self.headers, self._limits.max_header_fields)
        if not self.url.startswith(b"/"):
            self.url, authority = origin_form(self.parser.get_method(), self.url)
            replace_host(self.headers, authority)
        super().on_headers_complete()
        self._reading = _BODY
        self._is_late = True
        self._unparsed = self._body_size = 0
        if self._is_offer():
            return
        if not self._limits.connections.are_kept:
            self.cycle.keep_alive = False
        self.headers = []  # for trailers, which must not become headers (RFC 9110, 6.5.1)
        if not self.pipeline:
            self._answered = self.cycle
        if version == "1.0":
            self.cycle.send = _send_until_close(self.cycle)  # type: ignore[assignment,method-assign]

    def on_body(self, body: bytes) -> None:
        """Pass a piece of the body on."""
        super().on_body(body)
        self._unparsed = 0
        self._body_size += len(body)
        if self._body_size >= _BODY_STEP and not self.cycle.response_complete:
            self._body_size = 0
            self._is_late = True

    def on_message_complete(self) -> None:
        """The request is complete."""
        super().on_message_complete()
        if self._is_offer():
            return
        self._reading = _IDLE
        self._unparsed = 0
        self._is_late = False
        self._unset_keepalive_if_required()
        if self.cycle.response_complete:
            self._limits.connections.wait(self, self._address)
            self._start_timer(self.timeout_keep_alive)
        else:
            self._limits.connections.work(self)

    def _should_upgrade(self) -> bool:
        return any(name == b"upgrade" for name, _ in self.headers)

    # --- the response's end, and errors -----------------------------------------------------------------

    def on_response_complete(self) -> None:
        """Go on with what the client has sent meanwhile."""
        following = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()  # starts the following request, or the timer
        if self.transport.is_closing():
            return
        self._answered = following or self._answered
        if self._reading is not _IDLE:
            self._start_timer(self._limits.request_timeout)
        elif following is None:
            self._limits.connections.wait(self, self._address)
        if self._is_answering():
            return
        if self._error is not None:
            self._send_error(self._error)
        elif self._waiting:
            data = bytes(self._waiting)
            self._waiting.clear()
            self._parse(data)

    def _is_answering(self) -> bool:
        """Return whether a complete request is being answered."""
        cycle = self._answered
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _parse(self, data: bytes) -> None:
        self._unparsed += len(data)
        while data and self._error is None:
            data = self._feed(data)
        if self._error is not None:
            return
        if self._unparsed > self._limits.max_head_size + MAX_TARGET:
            self._fail(too_large(self._limits.max_head_size))
        elif self._is_late:
            self._is_late = False
            self._start_timer(self._limits.request_timeout)
        if self.pipeline:
            self.flow.resume_reading()  # uvicorn paused it, and would not see a disconnect

    def _feed(self, data: bytes) -> bytes:
        """Parse bytes; return the bytes to parse after an offer of an upgrade."""
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            rest = self._head_without_upgrade() + data[upgrade.args[0] :]
            self.parser = HttpRequestParser(self)  # the old parser stops after `Connection: close`
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            return rest
        except HttpParserError as error:
            cause = error.__context__
            if not isinstance(cause, HeadraceError):
                cause = head_error(f"this is not a valid HTTP request: {cause or error}")
            self._fail(cause)
        return b""

    def _is_offer(self) -> bool:
        return self.parser.should_upgrade() and self._should_upgrade()

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        first = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)
        lines = [b"%b: %b\r\n" % (name, value) for name, value in self.headers if name != b"upgrade"]
        return b"".join([first, *lines, b"\r\n"])

    def _start_timer(self, seconds: float) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _fail(self, error: HeadraceError) -> None:
        """Parse nothing more. Complete requests are answered first."""
        self._error = error
        self._waiting.clear()
        if not self._is_answering():
            self._send_error(error)

    def _send_error(self, error: HeadraceError) -> None:
        if self._reading is _BODY:
            if self.cycle.response_started:  # it would not be taken for a second response
                self.transport.close()
                return
            _disconnect(self.cycle)
        self.transport.write(self._response(error))
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self.flow.resume_reading()
        self._start_timer(_LINGER)

    def _response(self, error: HeadraceError) -> bytes:
        body = encode_error(error)
        if self._reading is _BODY:
            scope: Any = self.cycle.scope
            default, request_id = self.cycle.default_headers, request_id_of(scope)
            scope[ERROR] = error
        else:
            default, request_id = self.server_state.default_headers, secrets.token_hex(8)
            self._limits.on_unread(error, self._address, request_id)
        headers = [*default, *error_headers(error, body, request_id), (b"connection", b"close")]
        return encode_head(error.status, headers) + body


def encode_head(status: int, headers: Iterable[Header]) -> bytes:
    """Encode the head of a response. Names and values are not checked."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    return b"".join([STATUS_LINE[status], *lines, b"\r\n"])


def _disconnect(cycle: RequestResponseCycle) -> None:
    """Let a request end whose response cannot be sent."""
    if not cycle.response_complete:
        cycle.disconnected = True
        cycle.message_event.set()


def _send_until_close(cycle: RequestResponseCycle) -> Send:
    """Return a `send` for HTTP/1.0, which has no chunked encoding: the end of the connection ends a body."""
    send: Any = cycle.send
    has_length = False

    async def send_without_chunks(message: MutableMapping[str, Any]) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
            cycle.chunked_encoding = None if has_length else False
        elif not has_length:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    return send_without_chunks
