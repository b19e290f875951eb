"""One HTTP request and its response, on plain ASGI."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from headrace.errors import HeadraceError, LimitError, RequestError, encode_error

__all__ = ["Header", "HttpConnection", "Receive", "Send", "error_headers"]

_LOGGER = logging.getLogger("headrace.server")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]


class _MethodError(RequestError):
    """A method that the path does not support; status 405 needs `Allow` (RFC 9110, 15.5.6)."""

    def __init__(self, path: str, method: str, allowed: Iterable[str]) -> None:
        super().__init__(
            f"{path} does not support {method}; use {' or '.join(allowed)}", code="1222", status=405
        )
        self.allowed = ", ".join(allowed)


class HttpConnection:
    """A request, and methods that send its response."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.send = send
        self._scope = scope
        self._receive = receive

    @cached_property
    def request_id(self) -> str:
        """The id in the header `X-Request-Id` of an error; a turn's own id once there is one."""
        return secrets.token_hex(8)

    @property
    def is_disconnected(self) -> bool:
        """Whether the client has disconnected, as far as the ASGI server tells without waiting."""
        return getattr(getattr(self.send, "__self__", None), "disconnected", False)

    @cached_property
    def headers(self) -> dict[str, str]:
        """The request headers by lower-case name."""
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in self._scope["headers"]}

    @cached_property
    def query(self) -> dict[str, str]:
        """The query parameters."""
        return dict(parse_qsl(self._scope["query_string"].decode("latin-1"), keep_blank_values=True))

    def drop_headers(self) -> None:
        """Forget the request's headers: with many open streams, they take two kilobytes each."""
        self._scope["headers"] = []
        self.__dict__.pop("headers", None)

    def check_method(self, *allowed: str) -> None:
        """Reject methods that the path does not support.

        Raises:
            RequestError: 1222, status 405.
        """
        if self.method not in allowed:
            raise _MethodError(self.path, self.method, allowed)

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
                raise RequestError(msg, code="1210")
            part = message.get("body", b"")
            body += part
            size = max(size, len(body))
            if on_part is not None:
                on_part(part)
            if not message.get("more_body"):
                return body
        msg = f"the body is larger than {limit} bytes; send less, or increase --max-body-size"
        raise RequestError(msg, code="1210")

    async def until_disconnect(self) -> None:
        """Wait until the client disconnects."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def send_json(self, body: bytes, *, status: int = 200, headers: Iterable[Header] = ()) -> None:
        """Send a complete response."""
        await self._send_all(status, [*_json_headers(body), *headers], body)

    async def send_error(self, error: HeadraceError) -> None:
        """Send an error as the complete response; nothing may have been sent before."""
        if error.public != error.message:
            _LOGGER.warning("%s", error.message)
        body = encode_error(error)
        await self._send_all(error.status, error_headers(error, body, self.request_id), body)

    async def _send_all(self, status: int, headers: list[Header], body: bytes) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def error_headers(error: HeadraceError, body: bytes, request_id: str = "") -> list[Header]:
    """Return the headers of an error response with this body; without a request id, it gets one."""
    headers = [*_json_headers(body), (b"x-request-id", (request_id or secrets.token_hex(8)).encode())]
    if isinstance(error, LimitError):
        headers.append((b"retry-after", b"%d" % max(1, round(error.retry_after))))
    if isinstance(error, _MethodError):
        headers.append((b"allow", error.allowed.encode()))
    return headers


def _json_headers(body: bytes) -> list[Header]:
    return [
        (b"content-type", b"application/json; charset=UTF-8"),
        (b"content-length", b"%d" % len(body)),
    ]
