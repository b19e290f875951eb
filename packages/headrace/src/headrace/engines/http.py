"""The HTTP transport, on aiohttp, whose exceptions are translated here and nowhere else.

aiohttp takes 2.6 µs per chunk in a burst, httpx 15 (docs/measurements.md).
"""

import os
from typing import Final

import aiohttp
from yarl import URL

from headrace import __version__
from headrace.engines.protocols.error_mapping import Upstream, map_response
from headrace.errors import EngineError, RequestError

__all__ = ["HttpTransport"]

_CONNECT_SECONDS: Final = 5.0
_KEEPALIVE_SECONDS: Final = 4.0  # uvicorn (vLLM, SGLang) closes an idle connection after 5 s
_MAX_ATTEMPTS: Final = 3
_MAX_BODY: Final = 1024 * 1024
_OK: Final = 200
_SERVER_ERROR: Final = 500
_EXCEPTIONS: Final = (aiohttp.ClientError, TimeoutError, OSError)


class HttpTransport:
    """The transport to one base URL; connections are kept alive.

    Args:
        url: the base URL, such as `http://gpu1:8000/v1`.
        key: sent as a bearer token; "" sends none.
        key_variable: the environment variable that holds the key, for messages.

    Raises:
        RequestError: the URL is invalid.
    """

    def __init__(self, url: str, *, key: str = "", key_variable: str = "") -> None:
        self._url = _parse_url(url)
        self.upstream = Upstream(str(self._url.with_user(None)), key_variable)
        self._headers = {
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",  # a compressed stream comes in bursts
            "Content-Type": "application/json",
            "User-Agent": f"headrace/{__version__}",
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._session: aiohttp.ClientSession | None = None

    @property
    def host(self) -> str:
        """The host name."""
        return self._url.host or ""

    async def post(self, path: str, body: bytes) -> "HttpResponse":
        """Send a POST request; see `Transport`."""
        return await self.request("POST", path, body)

    async def request(
        self, method: str, path: str, body: bytes | None = None, *, authorization: str = ""
    ) -> "HttpResponse":
        """Send a request. `authorization` is sent if the transport has no key."""
        attempts = 0
        while True:
            attempts += 1
            try:
                response = await self._send(method, path, authorization, body)
            except _EXCEPTIONS as error:
                if not _was_closed(error) or attempts == _MAX_ATTEMPTS:
                    raise self._unreachable(error) from None
            else:
                return HttpResponse(response, self.upstream)

    async def get(self, path: str) -> bytes:
        """Send a GET request and return the body.

        Raises:
            HeadraceError: no response, or a status other than 200.
        """
        status, body = await self._get(path)
        if status != _OK:
            raise map_response(self.upstream, status, body)
        return body

    async def check(self) -> None:
        """Check whether the server responds; see `Transport`."""
        status, body = await self._get("models")  # some servers respond 404
        if status >= _SERVER_ERROR:
            raise map_response(self.upstream, status, body)

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get(self, path: str) -> tuple[int, bytes]:
        try:
            async with await self._send("GET", path) as response:
                return response.status, await response.content.read(_MAX_BODY)
        except _EXCEPTIONS as error:
            raise self._unreachable(error) from None

    async def _send(
        self, method: str, path: str, authorization: str = "", body: bytes | None = None
    ) -> aiohttp.ClientResponse:
        url = self._url.with_path(path) if path.startswith("/") else self._url / path
        headers = self._headers
        if authorization and "Authorization" not in headers:
            headers = {**headers, "Authorization": authorization}
        session = self._open_session()
        return await session.request(method, url, data=body, headers=headers, allow_redirects=False)

    def _open_session(self) -> aiohttp.ClientSession:
        """Create the session with the first request: it belongs to an event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _unreachable(self, error: Exception) -> EngineError:
        reason = _reason(error)
        msg = f"{self.upstream.name} is unreachable: {reason}; check the URL, and that the server is running"
        return EngineError(msg, code="1221")


def _parse_url(url: str) -> URL:
    try:
        parsed = URL(url.strip().rstrip("/"))
    except ValueError:
        parsed = URL()
    if parsed.scheme not in ("http", "https") or not parsed.host:
        msg = f'"{url}" is not the base URL of a server; use, for example, http://gpu1:8000/v1'
        raise RequestError(msg)
    return parsed


def _was_closed(error: Exception) -> bool:
    """Check whether the server had closed an idle keep-alive connection."""
    closed = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError)
    return isinstance(error, closed) and not isinstance(error, aiohttp.ClientConnectorError)


def _reason(error: Exception) -> str:
    """Describe an error without the library's terms, which name its sockets, classes and settings."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return f"no address is known for {error.host}"
        case aiohttp.ClientConnectorCertificateError():
            return f"the TLS certificate of {error.host} cannot be trusted"
        case aiohttp.ClientSSLError():
            return "the TLS handshake failed; an http:// URL has none"
        case TimeoutError():
            return f"no connection within {_CONNECT_SECONDS:g} s"
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError():
            return "the connection was closed"
        case aiohttp.ClientResponseError():
            return "the response is not HTTP"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number).lower()
        case _:
            return "the connection failed"


class HttpResponse:
    """A response; see `UpstreamResponse`."""

    def __init__(self, response: aiohttp.ClientResponse, upstream: Upstream) -> None:
        self.status = response.status
        self.content_type = response.content_type
        self.retry_after = response.headers.get("Retry-After", "")
        self._response = response
        self._upstream = upstream

    async def read(self) -> bytes:
        """Read the available bytes; b"" at the end."""
        try:
            return await self._response.content.readany()
        except _EXCEPTIONS as error:
            msg = f"connection to {self._upstream.name} lost: {_reason(error)}"
            raise EngineError(msg) from None

    def close(self) -> None:
        """Keep the connection alive if the body was read to its end, otherwise close it."""
        self._response.release()
