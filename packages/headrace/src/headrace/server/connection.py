"""One HTTP request and its response, on plain ASGI."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from functools import cached_property
from math import ceil
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from headrace.errors import DisconnectError, HeadraceError, LimitError, RequestError, encode_error
from headrace.reached_limits import report_limit
from headrace.trace_context import TraceContext

__all__ = [
    "ERROR",
    "OWNER",
    "REQUEST_ID",
    "Endpoint",
    "ErrorResponse",
    "Header",
    "HttpConnection",
    "MethodError",
    "Receive",
    "Send",
    "decode_number",
    "encode_error_response",
    "error_headers",
    "request_id_of",
    "retry_headers",
]

OWNER: Final = "headrace.owner"
"""The key of a scope with the id of the caller's API key."""

ERROR: Final = "headrace.error"
"""The key of a scope with the error that was the response."""

REQUEST_ID: Final = "headrace.request_id"
"""The key of a scope with the id in the header `X-Request-Id`."""

_SHOWN_ID: Final = 128  # characters of a client's id
_LOGGER = logging.getLogger("headrace.server")
_MAX_DIGITS: Final = 18  # of a number that fits in 64 bits

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]


class MethodError(RequestError):
    """A method that the path does not support; status 405 needs `Allow` (RFC 9110, 15.5.6)."""

    def __init__(self, path: str, method: str, allowed: Iterable[str]) -> None:
        super().__init__(
            f"{path} does not support {method}; use {' or '.join(allowed)}", code="1222", status=405
        )
        self.allowed = ", ".join(allowed)


class ErrorResponse(NamedTuple):
    """The complete response for an error."""

    status: int
    headers: list[Header]
    body: bytes


ErrorEncoder = Callable[[HeadraceError, str], ErrorResponse]


class HttpConnection:
    """A request, and methods that send its response.

    Args:
        scope: of ASGI.
        receive: of ASGI.
        send: of ASGI.
        find_encoder: returns what encodes an error, with the id of the request, as the API of a path has it.
    """

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        find_encoder: Callable[[str], ErrorEncoder | None] = lambda _: None,
    ) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.client: str = (scope.get("client") or ("",))[0]
        self.send = send
        self.status = 0
        """Of the response; 0 before it, or if the client has disconnected before."""
        self.turn = ""
        """The id of the turn whose answer is sent."""
        self.started_turn = ""
        """The same, if this request has started it."""
        self.headers = _decode(scope["headers"])
        """The request headers by lower-case name, until a stream drops them."""
        self.client_id = self.headers.get("x-request-id", "")[:_SHOWN_ID]
        """The client's own id of the request, for the log."""
        self.trace = TraceContext.of_headers(scope["headers"])
        """The span of the client that the request belongs to, and what a service mesh knows it by."""
        self.began = monotonic()
        self._scope = scope
        self._receive = receive
        self._find_encoder = find_encoder

    @property
    def request_id(self) -> str:
        """The id in the header `X-Request-Id` of an error; a turn's own id once there is one."""
        return request_id_of(self._scope)

    @request_id.setter
    def request_id(self, id: str) -> None:
        self._scope[REQUEST_ID] = id

    @property
    def owner(self) -> str:
        """The id of the caller's API key; "" if it has none, or it was not accepted."""
        return str(self._scope.get(OWNER, ""))

    @owner.setter
    def owner(self, owner: str) -> None:
        self._scope[OWNER] = owner

    def note_error(self, error: HeadraceError) -> None:
        """Note the error that is to be the response, unless there was one before."""
        self._scope.setdefault(ERROR, error)

    def take_error(self) -> HeadraceError | None:
        """Return and forget the noted error, whose traceback refers to this connection."""
        error: HeadraceError | None = self._scope.pop(ERROR, None)
        return error

    @property
    def is_disconnected(self) -> bool:
        """Whether the client has disconnected, as far as the ASGI server tells without waiting."""
        return getattr(getattr(self.send, "__self__", None), "disconnected", False)

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters."""
        return dict(parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True))

    def drop_headers(self) -> None:
        """Forget the request's headers: with many open streams, they take two kilobytes each."""
        self._scope["headers"], self.headers = [], {}

    def add_headers(self, headers: Sequence[Header]) -> None:
        """Add headers to the response, also to a stream and to an error."""
        cycle: Any = getattr(self.send, "__self__", None)
        if hasattr(cycle, "default_headers"):  # uvicorn's, which a stream's channel and protocol send as well
            cycle.default_headers = [*cycle.default_headers, *headers]
        else:
            self.send = _with_headers(self.send, headers)

    def check_method(self, *allowed: str) -> None:
        """Reject methods that the path does not support.

        Raises:
            RequestError: 1222, status 405.
        """
        if self.method not in allowed:
            raise MethodError(self.path, self.method, allowed)

    async def body(self, limit: int, on_part: Callable[[bytes], None] | None = None) -> bytearray:
        """Receive the complete body.

        Args:
            limit: of its bytes.
            on_part: called with each part as it arrives.

        Raises:
            RequestError: 1210, it is larger than `limit` bytes or compressed, or the client disconnected.
        """
        encoding = self.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            msg = f"Content-Encoding is {encoding}; send the body without compression"
            raise RequestError(msg, code="1210", status=415)
        size = int(self.headers.get("content-length", 0))
        body = bytearray()  # not a list of parts, which would fragment the heap
        while size <= limit:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                msg = "the client disconnected before the request was complete"
                raise DisconnectError(msg)
            part = message.get("body", b"")
            body += part
            size = max(size, len(body))
            if on_part is not None:
                on_part(part)
            if not message.get("more_body"):
                return body
        msg = f"the body is larger than {limit} bytes; send less, or increase --max-body-size"
        report_limit("max_body_size", msg)
        raise RequestError(msg, code="1210")

    async def until_disconnect(self) -> None:
        """Wait until the client disconnects."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def send_json(self, body: bytes, *, status: int = 200, headers: Iterable[Header] = ()) -> None:
        """Send a complete response."""
        await self.send_all(status, [*_json_headers(body), *headers], body)

    async def send_error(self, error: HeadraceError) -> None:
        """Send an error as the complete response; nothing may have been sent before."""
        if error.public != error.message:
            _LOGGER.warning("%s", error.message, extra={"turn": self.turn} if self.turn else None)
        self.note_error(error)
        encode = self._find_encoder(self.path) or encode_error_response
        await self.send_all(*encode(error, self.request_id))

    async def send_all(self, status: int, headers: list[Header], body: bytes) -> None:
        """Send a complete response with these headers."""
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        self.note_status(status)
        await self.send({"type": "http.response.body", "body": body})

    async def send_noting_status(self, message: MutableMapping[str, Any]) -> None:
        """Send what another application responds."""
        await self.send(message)
        if message["type"] == "http.response.start":
            self.note_status(message["status"])

    def note_status(self, status: int) -> None:
        """Note that a response has begun, as the log and the metrics have it."""
        if not self.is_disconnected:
            self.status = status


Endpoint = Callable[[HttpConnection], Awaitable[None]]


def _decode(headers: Sequence[Header]) -> dict[str, str]:
    """Return headers as texts by their names; of several with one name, the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}


def encode_error_response(error: HeadraceError, request_id: str) -> ErrorResponse:
    """Encode an error as Z.ai and OpenAI do."""
    body = encode_error(error)
    return ErrorResponse(error.status, error_headers(error, body, request_id), body)


def _with_headers(send: Send, headers: Sequence[Header]) -> Send:
    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with_headers


def decode_number(text: str) -> int | None:
    """Return a number of a header or a parameter; None unless it is up to 18 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else None


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """Return the id of a request; it gets one if it has none."""
    id: str = scope.setdefault(REQUEST_ID, secrets.token_hex(8))
    return id


def error_headers(error: HeadraceError, body: bytes, request_id: str) -> list[Header]:
    """Return the headers of an error response with this body."""
    headers = [*_json_headers(body), (b"x-request-id", request_id.encode())]
    headers += retry_headers(error)
    if isinstance(error, MethodError):
        headers.append((b"allow", error.allowed.encode()))
    return headers


def retry_headers(error: HeadraceError) -> list[Header]:
    """Return `Retry-After` for an error after which another attempt may succeed; otherwise nothing."""
    if not isinstance(error, LimitError):
        return []
    return [(b"retry-after", b"%d" % max(1, ceil(error.retry_after)))]


def _json_headers(body: bytes) -> list[Header]:
    return [
        (b"content-type", b"application/json; charset=UTF-8"),
        (b"content-length", b"%d" % len(body)),
    ]
