"""Protection of a server without API keys from the web pages in its user's browser.

A page of any site can make a browser send requests to this machine. After DNS rebinding, when the name of
its site resolves to this machine, it can also read the responses. The headers `Host`, `Origin` and
`Sec-Fetch-Site` identify the page. A browser sends a JSON content type, or an API key, to another origin only
after a preflight request, which the server grants to the origins of its CORS policy (cors.py).
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from headrace.configuration.settings import is_loopback
from headrace.errors import AccessError, RequestError
from headrace.server.connection import HttpConnection

__all__ = ["check_origin"]

_USUAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})  # found faster than is_loopback decides
_KEY_HEADERS: Final = ("authorization", "x-api-key")


def check_origin(
    connection: HttpConnection,
    allowed_hosts: Collection[str],
    *,
    is_allowed: bool = False,
    is_public: bool = False,
) -> None:
    """Check who sends a request.

    Args:
        connection: has the request.
        allowed_hosts: names other than loopback addresses and localhost, in lower case.
        is_allowed: whether the CORS policy allows the request's origin.
        is_public: whether the response is the same for all, so that other sites may link to it.

    Raises:
        AccessError: 1220, status 403: it is, or could be, the page of another site.
        RequestError: 1210, status 415: a POST whose content type is not JSON.
    """
    headers = connection.headers
    for name in ("host",) if is_allowed else ("host", "origin"):
        value = headers.get(name)
        if value is not None and not _is_allowed(_host_of(value), allowed_hosts):
            msg = (
                f"{name.title()} is {value[:80]}, but without API keys only localhost, loopback addresses and"
                " the allowed hosts are accepted (docs/security.md)"
            )
            raise AccessError(msg, code="1220")
    if not (is_allowed or is_public) and headers.get("sec-fetch-site") == "cross-site":
        msg = (
            "Sec-Fetch-Site is cross-site, but without API keys no requests from pages of other sites are"
            " accepted (docs/security.md)"
        )
        raise AccessError(msg, code="1220")
    if connection.method == "POST" and headers.keys().isdisjoint(_KEY_HEADERS):
        content_type = headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            sent = f"is {content_type[:80]}" if content_type else "is missing"
            msg = f"Content-Type {sent}; send Content-Type: application/json"
            raise RequestError(msg, code="1210", status=415)


def _is_allowed(host: str, allowed_hosts: Collection[str]) -> bool:
    return host in _USUAL or host in allowed_hosts or is_loopback(host)


@lru_cache(maxsize=128)
def _host_of(value: str) -> str:
    """Return the host of `host`, `host:port` or `scheme://host:port`."""
    authority = value.lower().rpartition("://")[2]
    name, _, port = authority.rpartition(":")
    return name if name and (not port or port.isdecimal()) and not name.endswith(":") else authority
