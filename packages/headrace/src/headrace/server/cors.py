"""CORS: which web pages may call the server and read its responses (fetch.spec.whatwg.org, "CORS protocol").

A browser sends the page's origin in `Origin`, and lets the page read a response only if the response allows
this origin. Before a request that an HTML form could not send, it asks for permission with a preflight
request, which has no API key.
"""

import re
from collections.abc import Collection
from typing import Final

from headrace.configuration.settings import is_loopback
from headrace.errors import AccessError
from headrace.server.connection import Header, HttpConnection

__all__ = ["EXPOSED", "CorsPolicy", "is_preflight"]

EXPOSED: Final = (
    "request-id",
    "retry-after",
    "x-headrace-ignored",
    "x-headrace-keep-alive",
    "x-headrace-linger",
    "x-headrace-resume",
    "x-headrace-turn",
    "x-headrace-unenforced",
    "x-request-id",
)
"""The headers of responses that a page may read, besides those that every page may read."""

_LOCAL: Final = re.compile(r"https?://(localhost|[0-9.]+|\[[0-9a-f:]+\])(:[0-9]+)?")
_NAMES: Final = re.compile(r"[\w!#$%&'*+.^`|~, -]*", re.ASCII)
_WITHOUT: Final = frozenset({"/metrics"})  # for operators, not for pages
_VARY: Final = (b"vary", b"Origin")
_EXPOSE: Final = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (b"access-control-max-age", b"7200"),  # seconds; Chromium remembers no answer for longer
)


class CorsPolicy:
    """The origins whose pages may call the server.

    Args:
        origins: as browsers send them, such as `https://app.example`; `*` means all.
        is_open: whether the server needs no API key, so that it belongs to the user of this machine: pages
            of this machine are allowed as its programs are.
    """

    def __init__(self, origins: Collection[str], *, is_open: bool) -> None:
        self._origins = frozenset(origins)
        self._any = "*" in origins
        self._is_open = is_open

    def allows(self, connection: HttpConnection) -> bool:
        """Return whether the request is that of a page whose origin is allowed."""
        origin = connection.headers.get("origin")
        if origin is None or connection.path in _WITHOUT:
            return False
        return self._any or origin in self._origins or (self._is_open and _is_local(origin))

    def headers(self, connection: HttpConnection) -> list[Header]:
        """Return the headers of every response, errors included, to a request that has an origin."""
        if not self.allows(connection):
            return [_VARY]
        if self._any:
            return [(b"access-control-allow-origin", b"*"), _EXPOSE]
        return [
            (b"access-control-allow-origin", connection.headers["origin"].encode("latin-1")),
            _EXPOSE,
            _VARY,
        ]

    async def answer_preflight(self, connection: HttpConnection) -> None:
        """Allow every method of the API, and every header that the page wants to send.

        Clients send headers of their own, and new ones with every version. The server ignores them, so a list
        of known ones would only keep pages from working.

        Raises:
            AccessError: 1220, the origin is not allowed.
        """
        requested = connection.headers
        if not self.allows(connection):
            msg = (
                f"Origin is {requested['origin'][:80]}, whose pages are not allowed at {connection.path[:80]}"
            )
            raise AccessError(f"{msg}; --cors-origin allows an origin (docs/security.md)", code="1220")
        headers = list(_PREFLIGHT)
        if _NAMES.fullmatch(names := requested.get("access-control-request-headers", "")) and names:
            headers.append((b"access-control-allow-headers", names.encode()))
        if requested.get("access-control-request-private-network") == "true":  # Chromium before 142
            headers.append((b"access-control-allow-private-network", b"true"))
        await connection.send_all(204, headers, b"")


def is_preflight(connection: HttpConnection) -> bool:
    """Return whether it is a browser's preflight request."""
    if connection.method != "OPTIONS":
        return False
    return "origin" in connection.headers and "access-control-request-method" in connection.headers


def _is_local(origin: str) -> bool:
    found = _LOCAL.fullmatch(origin)
    return found is not None and is_loopback(found[1])
