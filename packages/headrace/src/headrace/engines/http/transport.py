"""HTTP to a model server: requests out, responses into listeners, socket errors translated to ours."""

import asyncio
import re
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from headrace import __version__
from headrace.engines.http.outgoing import OutgoingRequest
from headrace.engines.http.pool import ConnectionPool
from headrace.engines.http.proxy import basic_credentials
from headrace.engines.protocols.error_mapping import Upstream, map_response
from headrace.engines.transport import ResponseHead, ResponseListener
from headrace.errors import HeadraceError, RequestError
from headrace.http1 import HeaderError, encode_request

__all__ = ["HttpTransport"]

_MAX_BODY: Final = 1024 * 1024  # of a response that is read as a whole
_OK: Final = 200
_FAILED: Final = 500


class HttpTransport:
    """A server behind a URL. Connections are kept and reused.

    Args:
        url: with its path, such as `http://gpu1:8000/v1`; a user and a password are sent if there is no key.
        key: sent as a bearer token; "" sends none.
        key_variable: the environment variable that holds the key, for messages.
        tls: for `https`, instead of a context with the certificates of the system.

    Raises:
        RequestError: `url` is not the URL of a server.
    """

    def __init__(
        self, url: str, *, key: str = "", key_variable: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._url = _parse(url)
        self.host = self._url.hostname or ""
        netloc = self._url.netloc.rpartition("@")[2]
        root = f"{self._url.scheme}://{netloc}"
        self.upstream = Upstream(root + self._url.path, key_variable, key, self.host)
        is_secure = self._url.scheme == "https"
        self._pool = ConnectionPool(self._url, (tls or ssl.create_default_context()) if is_secure else None)
        self._headers = {
            "Host": netloc,
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",  # a compressed stream arrives in bursts
            "Content-Type": "application/json",
            "User-Agent": f"headrace/{__version__}",
        }
        if authorization := f"Bearer {key}" if key else basic_credentials(self._url):
            self._headers["Authorization"] = authorization
        proxy = self._pool.proxy
        self._heads: dict[str, bytes] = {}  # of `post`, by path
        self._target_prefix = root if proxy and self._url.scheme == "http" else ""
        if self._target_prefix and proxy and proxy.authorization:
            self._headers["Proxy-Authorization"] = proxy.authorization

    def post(
        self, path: str, body: bytes, listener: ResponseListener, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> OutgoingRequest:
        """See `Transport`."""
        head = self._heads.get(path) or self._heads.setdefault(path, self._head("POST", path))
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        request = b"%b%bContent-Length: %d\r\n\r\n%b" % (head, lines, len(body), body)
        return OutgoingRequest(self._pool, self.upstream, "POST", request, listener)

    def open(
        self, method: str, path: str, framing: str, listener: ResponseListener, *, authorization: str = ""
    ) -> OutgoingRequest:
        """Send the head of a request with any method. The caller writes its body.

        Args:
            method: of HTTP.
            path: `/path` starts at the server's root, `path` at the base URL.
            framing: the header that tells where the body ends, such as `Content-Length: 0`.
            listener: receives the response.
            authorization: sent if the server has no key of its own here.

        Raises:
            RequestError: the path or the authorization cannot be sent.
        """
        head = b"%b%b\r\n\r\n" % (self._head(method, path, authorization), framing.encode())
        return OutgoingRequest(self._pool, self.upstream, method, head, listener)

    def _head(self, method: str, path: str, authorization: str = "") -> bytes:
        """Encode a head, except its Content-Length and the empty line."""
        base = "" if path.startswith("/") else f"{self._url.path}/"
        headers = {"Authorization": authorization, **self._headers} if authorization else self._headers
        fields = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        try:
            head = encode_request(method.encode(), f"{self._target_prefix}{base}{path}".encode(), fields)
        except HeaderError as error:
            raise RequestError(str(error), code="1210") from None
        return head.removesuffix(b"\r\n")

    async def get(self, path: str) -> bytes:
        """Return a whole body.

        Raises:
            HeadraceError: no response, or another status than 200.
        """
        status, body = await self._get(path)
        if status != _OK:
            raise map_response(self.upstream, status, body)
        return body

    async def check(self) -> None:
        """See `Transport`."""
        status, body = await self._get("models")  # not every server has it
        if status >= _FAILED:
            raise map_response(self.upstream, status, body)

    async def close(self) -> None:
        """Close the idle connections; those in use end with their responses."""
        self._pool.close()

    async def _get(self, path: str) -> tuple[int, bytes]:
        collector = _Collector()
        run = self.open("GET", path, "Content-Length: 0", collector)
        try:
            return await collector.done
        finally:
            run.stop()


class _Collector:
    """Collects a whole response, up to `_MAX_BODY` bytes of it."""

    def __init__(self) -> None:
        self.done: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._status = 0
        self._body = bytearray()

    def on_head(self, head: ResponseHead) -> None:
        self._status = head.status

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) >= _MAX_BODY:
            self.on_end(None)

    def on_end(self, error: HeadraceError | None) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result((self._status, bytes(self._body[:_MAX_BODY])))


def _parse(url: str) -> SplitResult:
    try:
        parsed = urlsplit(url.strip().rstrip("/"))
        valid = parsed.scheme in ("http", "https") and bool(parsed.hostname) and parsed.port != 0
    except ValueError:
        valid = False
    if not valid or not url.strip().isascii() or parsed.query or parsed.fragment:
        shown = re.sub("//[^/]*@", "//", url)  # without user and password
        msg = f'"{shown}" is not the base URL of a server; use, for example, http://gpu1:8000/v1'
        raise RequestError(msg)
    return parsed


def tls_context(ca: Path | None) -> ssl.SSLContext | None:
    """Return a context that trusts the certificates in `ca` beside those of the system.

    Returns None for None.

    Raises:
        RequestError: `ca` holds no certificates.
    """
    if ca is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # ssl.SSLError is one
        msg = f"{ca} holds no certificates in PEM format: {error.strerror or error}"
        raise RequestError(msg) from None
    return context
