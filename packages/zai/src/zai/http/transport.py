"""The boundary to the HTTP library: httpx2, or a client of legacy httpx that the caller passes.

httpx2 is imported when the first client is made, so that `import zai` stays quick. Both libraries have the
same names; their exceptions are translated here.
"""

import math
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from zai import http_library
from zai.errors import APIConnectionError, APITimeoutError, ZaiError
from zai.http.request import Request
from zai.http_library import AsyncClient, Client, ClientT, Response

__all__ = [
    "build_request",
    "connection_error",
    "head_timeout",
    "is_plain",
    "is_sent",
    "new_async_client",
    "new_client",
    "transport_exceptions",
    "unsent_request",
]

T = TypeVar("T")

_MAX_CONNECTIONS: Final = 50
_MAX_KEEPALIVE_CONNECTIONS: Final = 10
_LOOPBACK: Final = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d*)?", re.IGNORECASE)
_URL_ERRORS: Final = frozenset({"InvalidURL", "UnsupportedProtocol", "UnicodeError", "OverflowError"})
_SOCKET_ERRORS: Final = (OSError, UnicodeError, OverflowError)  # the last two: invalid hosts and ports


def new_client(url: str) -> Client:
    """Make a blocking client, with httpx2's own transport if there is a proxy for `url`."""
    import httpx2

    if proxy := _proxy_of(url):
        return httpx2.Client(transport=_through(proxy, httpx2.HTTPTransport))
    from zai.http.http1_transport import Http1Transport

    return httpx2.Client(transport=Http1Transport(_MAX_KEEPALIVE_CONNECTIONS))


def new_async_client(url: str) -> AsyncClient:
    """Make a client for asyncio, with httpx2's own transport if there is a proxy for `url`."""
    import httpx2

    if proxy := _proxy_of(url):
        from zai.http.loop_transports import LoopTransports

        return httpx2.AsyncClient(
            transport=LoopTransports(partial(_through, proxy, httpx2.AsyncHTTPTransport))
        )
    from zai.http.async_http1_transport import AsyncHttp1Transport

    return httpx2.AsyncClient(transport=AsyncHttp1Transport(_MAX_KEEPALIVE_CONNECTIONS))


def _proxy_of(url: str) -> str:
    """Return the environment's proxy for `url`, "" for none; loopback hosts are always reached directly."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    if _LOOPBACK.fullmatch(host):
        return ""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(scheme.lower()) or proxies.get("all", "")
    if not proxy or proxy_bypass(host):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _through(proxy: str, make: Callable[..., T]) -> T:
    """Make a transport of httpx2 that uses a proxy."""
    import httpx2

    from zai.http.http1_transport import ssl_context

    limits = httpx2.Limits(
        max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_KEEPALIVE_CONNECTIONS
    )
    try:
        return make(proxy=proxy, limits=limits, verify=ssl_context())
    except ImportError as error:
        message = (
            "the environment names a SOCKS proxy, which needs another package: pip install 'httpx2[socks]'"
        )
        raise APIConnectionError(message=f"{message}; or unset ALL_PROXY and similar variables") from error
    except ValueError as error:
        message = (
            f"the proxy of the environment cannot be used: {error}; unset ALL_PROXY and similar variables"
        )
        raise APIConnectionError(message=f"{message}, or pass http_client=") from error


def build_request(http_client: ClientT, request: Request, **extensions: object) -> http_library.Request:
    """Build the library's own request.

    A library has one limit for all reads, while a stream bounds those of its body by itself: then `read` must
    not be shorter than the stream's limits. The SDK's own transports read `head` and `body` instead.
    """
    connect, read, write, pool = request.timeout
    head, body = read, read
    if (limits := request.limits) is not None:
        read = limits.total if limits.idle is None else max(limits.idle, limits.first_chunk or 0)
        body = None
    timeout = {"connect": connect, "read": read, "head": head, "body": body, "write": write, "pool": pool}
    return http_client.build_request(
        request.method,
        request.url,
        headers=request.headers,
        content=request.body,
        extensions={"timeout": timeout, **extensions},
    )


def unsent_request(http_client: ClientT, request: Request) -> http_library.Request | None:
    """Return the library's own request for an error without a response; None if its URL is invalid."""
    try:
        return build_request(http_client, request)
    except transport_exceptions(http_client):
        return None


def head_timeout(request: Request, remaining: float) -> float:
    """Return the seconds to wait for the response's head; infinity if the library's own limits suffice."""
    if (limits := request.limits) is None:
        return math.inf
    waits = (request.timeout[1], limits.first_chunk or limits.idle, remaining)
    return min(wait for wait in waits if wait is not None)


def is_plain(response: Response) -> bool:
    """Whether the body can be read from the connection as it is: unread, and not compressed."""
    encoding = response.headers.get("content-encoding", "identity")
    return encoding == "identity" and not response.is_stream_consumed


def transport_exceptions(origin: object) -> tuple[type[Exception], ...]:
    """Return the exceptions of the HTTP library that `origin`, a client or a response, belongs to."""
    for base in type(origin).__mro__:
        names = getattr(sys.modules.get(base.__module__.partition(".")[0]), "__dict__", {})
        if "HTTPError" in names and "InvalidURL" in names:
            return (names["HTTPError"], names["InvalidURL"], names["StreamError"], *_SOCKET_ERRORS)
    return _SOCKET_ERRORS


def connection_error(
    error: Exception, url: str, request: http_library.Request | None = None, *, limit: float = math.inf
) -> APIConnectionError:
    """Translate an exception of the library; `limit` is the caller's own timeout, in seconds."""
    names = {base.__name__ for base in type(error).__mro__}
    detail = str(error) or type(error).__name__
    if names & _URL_ERRORS:
        message = f"invalid URL {url}: {detail}; base_url must look like https://api.z.ai/api/paas/v4"
    elif "PoolTimeout" in names:
        message = "all connections of this client are busy; read streams to their end or use them in `with`"
    elif "ConnectTimeout" in names:
        message = f"no connection to {url} in time; is the server running? a longer timeout= may help"
    elif names & {"TimeoutException", "TimeoutError"} and limit < math.inf:
        message = f"no response from {url} within {round(limit, 1):g} s (StreamTimeout)"
    elif names & {"TimeoutException", "TimeoutError"}:
        message = f"no response from {url} in time; a longer timeout= or stream=True may help"
    elif _is_tls(error):
        message = f"TLS with {url} failed: {detail}; check that base_url's https and host are right"
    elif "ConnectError" in names or isinstance(error, ConnectionRefusedError):
        message = f"cannot connect to {url}: {detail}; is the server running, and is base_url right?"
    else:
        message = f"the connection to {url} was lost: {detail}"
    if names & (_URL_ERRORS | {"ConnectError"}) and _proxy_of(url):
        message += " The environment sets a proxy: is its URL right, and is it running?"
    if names & {"TimeoutException", "TimeoutError"}:
        return APITimeoutError(request, message=message)
    return APIConnectionError(message=message, request=request)


def is_sent(error: BaseException) -> bool:
    """Whether the server may work on a request that ended with this error."""
    return not isinstance(error, ZaiError) or (
        isinstance(error, APIConnectionError)
        and type(error.__cause__).__name__ not in ("ConnectError", "ConnectTimeout")
    )


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if "SSL" in type(error).__name__ or "SSL" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
