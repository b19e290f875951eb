"""HTTP requests to the endpoint that is checked or measured; each part of a response has its time of arrival.

A time is taken when the event loop finds the socket readable, before anything is decoded, so that slow
decoding cannot be mistaken for a slow server.
"""

import asyncio
import errno
import math
import re
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Final, Literal, Protocol, cast
from urllib.parse import urlsplit

import msgspec

from headrace.errors import DecodeError, RequestError, UnreachableError
from headrace.http1 import HeaderError, ResponseReader, encode_request

__all__ = ["Endpoint", "Feed", "HttpEndpoint", "Request", "Response", "reach"]

_USER_AGENT: Final = b"headrace-check"
_FIRST_SECONDS: Final = 120.0
_OWN_LIMITS: Final = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM)

_Cause = Literal["", "timeout", "connect", "closed", "protocol", "client"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request; `path` is relative to the base URL."""

    method: str = "POST"
    path: str = "/chat/completions"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    leave_after: int = 0
    """Disconnect after so many pieces of the body; 0 reads it to its end."""
    half_close_after: int = 0
    """Half-close after so many pieces of the body, and read until the endpoint closes the connection."""


class Response(msgspec.Struct, kw_only=True):
    """What was received. Without a response, `status` is 0 and `failure` has the reason."""

    status: int = 0
    version: str = ""
    """Of HTTP, such as HTTP/1.1."""
    headers: dict[str, str] = {}
    """By lower-case name."""
    pieces: list[tuple[float, bytes]] = []
    """The body as it arrived: seconds after the request was sent, and bytes without HTTP's framing.

    Empty if a `Feed` got them.
    """
    sent: float = 0.0
    """When the request was sent, by the monotonic clock."""
    seconds: float = 0.0
    """From the request to the end of the response."""
    left: float | None = None
    """When the connection was half-closed: seconds after the request was sent."""
    failure: str = ""
    """Why the response has no end."""
    cause: _Cause = ""
    """The kind of `failure`; `client` is a limit of this machine, such as its number of open files."""


Feed = Callable[[Response, float, bytes], None]
"""Gets a response whose head is complete, and a piece of its body with the time of its arrival.

It raises `DecodeError` if the rest need not be read.
"""


class Endpoint(Protocol):
    """Whatever answers requests."""

    async def send(self, request: Request, feed: Feed | None = None) -> Response:
        """Send a request and return the response; failures of the endpoint are part of it.

        Args:
            request: which one.
            feed: gets each piece of the body as it arrives, instead of `Response.pieces`.
        """
        ...


async def reach(endpoint: Endpoint, request: Request, name: str = "the endpoint") -> Response:
    """Send the first request.

    Raises:
        UnreachableError: there is no response.
    """
    try:
        async with asyncio.timeout(_FIRST_SECONDS):
            response = await endpoint.send(request)
    except TimeoutError:
        msg = f"{name} does not respond within {_FIRST_SECONDS:g} seconds"
        raise UnreachableError(msg) from None
    if not response.status:
        raise UnreachableError(f"{name} does not respond: {response.failure}")
    return response


class HttpEndpoint:
    """An endpoint at a URL. Each request has a connection of its own.

    Args:
        url: the base URL, such as http://gpu1:8000/v1.
        key: the API key; "" sends none.
        timeout: seconds in which a response must end.
        max_body: bytes of a body that is kept; the rest of a longer one is not read.
    """

    def __init__(
        self, url: str, key: str = "", timeout: float = math.inf, max_body: int = 4 * 1024 * 1024
    ) -> None:
        try:
            parts = urlsplit(url)
            # The codec of `getaddrinfo`, which refuses empty labels and those of more than 63 characters.
            host = parts.hostname or ""
            name = host.encode("idna").decode()
            is_valid = bool(name) and parts.port != 0
        except ValueError:
            is_valid = False
        if not is_valid or parts.scheme not in ("http", "https") or re.search(r"[^!-~]", parts.path):
            msg = f"URL: {url!r} is not a URL such as http://gpu1:8000/v1"
            raise RequestError(msg)
        if "@" in parts.netloc or parts.query or parts.fragment:
            msg = "URL: it contains a user, a query or a fragment; write the key to an environment variable"
            raise RequestError(f"{msg}, and name that with --key-env")
        self._host, self._port = host, parts.port or (443 if parts.scheme == "https" else 80)
        port = f":{parts.port}" if parts.port else ""
        self._name = (f"[{host}]" if ":" in host else name) + port  # of the header Host
        self._base = parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._key = key
        self._timeout = timeout
        self._max_body = max_body
        self._buffer = memoryview(bytearray(64 * 1024))

    async def send(self, request: Request, feed: Feed | None = None) -> Response:
        """Send a request and return the response.

        Raises:
            RequestError: the URL or the key contains a character that HTTP forbids.
        """
        data = self._encode(request)
        loop = asyncio.get_running_loop()
        receiver = _Receiver(request, feed, loop.create_future(), self._buffer, self._max_body)
        timeout = asyncio.timeout(None if self._timeout == math.inf else self._timeout)
        try:
            async with timeout:
                transport, _ = await loop.create_connection(
                    lambda: receiver, self._host, self._port, ssl=self._tls
                )
                try:
                    receiver.start()
                    transport.write(data)
                    await receiver.ended
                finally:
                    transport.abort()
        except OSError as error:
            if timeout.expired():
                receiver.end("timeout", f"no end within {self._timeout:g} seconds")
            else:
                cause: _Cause = "client" if error.errno in _OWN_LIMITS else "connect"
                receiver.end(cause, f"cannot connect: {error}")
        return receiver.response

    def _encode(self, request: Request) -> bytes:
        headers = {
            "Host": self._name,
            "User-Agent": _USER_AGENT.decode(),
            "Connection": "close",
            "Content-Length": str(len(request.body)),
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._key}",
        } | dict(request.headers)
        if headers["Authorization"] == "Bearer ":
            del headers["Authorization"]
        try:
            fields = [(name.encode(), value.encode()) for name, value in headers.items()]
            head = encode_request(request.method.encode(), f"{self._base}{request.path}".encode(), fields)
        except HeaderError as error:
            raise RequestError(str(error)) from None
        return head + request.body


class _Receiver(asyncio.BufferedProtocol):
    """Notes when data arrives, then removes HTTP's framing.

    It reads into a buffer that all connections share: asyncio would allocate 256 KiB for each read.
    """

    def __init__(
        self,
        request: Request,
        feed: Feed | None,
        ended: asyncio.Future[None],
        buffer: memoryview,
        max_body: int,
    ) -> None:
        self.response = Response(sent=time.monotonic())
        self.ended = ended
        self._request = request
        self._feed = feed
        self._buffer = buffer
        self._room = self._max_body = max_body
        self._pieces = 0
        self._reader = ResponseReader(request.method)

    def start(self) -> None:
        """Note that the request is sent now."""
        self.response.sent = time.monotonic()

    def end(self, cause: _Cause, failure: str, at: float = 0.0) -> None:
        """Note that nothing is read after `at`, by default now, and why; the first call counts."""
        if not self.response.seconds:
            self.response.seconds = at or time.monotonic() - self.response.sent
            self.response.cause, self.response.failure = cause, failure
        if not self.ended.done():
            self.ended.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        at = time.monotonic() - self.response.sent
        try:
            self._read(at, bytes(self._buffer[:nbytes]))
        except DecodeError as error:
            self.end("protocol", error.message, at)

    def connection_lost(self, error: Exception | None) -> None:
        try:
            if not self.response.status:
                self._reader.read_head(b"")
            self._reader.finish()
        except DecodeError as failure:
            self.end("closed", failure.message)
        else:
            self.end("closed" if error else "", str(error or ""))

    def _read(self, at: float, data: bytes) -> None:
        reader, response, request = self._reader, self.response, self._request
        if not response.status:
            if not reader.read_head(data):
                return
            response.status, response.version = reader.status, reader.version
            # Latin-1 decodes every byte (RFC 9110, 5.5).
            names = {name.lower() for name, _ in reader.headers}
            response.headers = {
                name.decode("latin-1"): reader.header(name).decode("latin-1") for name in names
            }
            data = b""
        if not reader.is_done and (body := reader.read_body(data)):
            self._pieces += 1
            (self._feed or self._keep)(response, at, body)
        if reader.is_done or self._pieces == request.leave_after > 0:
            self.end("", "", at)
        elif self._pieces >= request.half_close_after > 0 and response.left is None:
            response.left = time.monotonic() - response.sent
            self._transport.write_eof()

    def _keep(self, response: Response, at: float, body: bytes) -> None:
        response.pieces.append((at, body))
        self._room -= len(body)
        if self._room < 0:
            msg = f"the body has more than {self._max_body} bytes; the rest was not read"
            raise DecodeError(msg)
