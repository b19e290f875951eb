"""The border to the HTTP library: httpx2, or a legacy httpx client that the caller brings.

httpx2 is imported when the first client is made, so that `import zai` stays quick. Both libraries have
the same names; their errors end here.
"""

import math
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from zai.errors import APIConnectionError, APITimeoutError
from zai.http.interruptible import InterruptibleConnection
from zai.http.request import Request

__all__ = [
    "build",
    "connection_error",
    "iter_body",
    "new_async_client",
    "new_client",
    "transport_exceptions",
]

_MAX_CONNECTIONS: Final = 50
_MAX_KEEPALIVE_CONNECTIONS: Final = 10
_NO_ADDRESS: Final = frozenset({"InvalidURL", "UnsupportedProtocol", "UnicodeError", "OverflowError"})
_OF_SOCKETS: Final = (OSError, UnicodeError, OverflowError)  # the last two: of hosts and ports that cannot be


def new_client(url: str) -> Any:
    """A client that blocks. Where a proxy stands before `url`, httpx2's own transport does the work."""
    import httpx2

    if _is_proxied(url):
        return _with_proxies(httpx2.Client)
    from zai.http.http1_transport import Http1Transport

    return _mark(httpx2.Client(transport=Http1Transport(_MAX_KEEPALIVE_CONNECTIONS)))


def new_async_client(url: str) -> Any:
    """A client for asyncio. Where a proxy stands before `url`, httpx2's own transport does the work."""
    import httpx2

    if _is_proxied(url):
        return _with_proxies(httpx2.AsyncClient)
    from zai.http.async_http1_transport import AsyncHttp1Transport

    return _mark(httpx2.AsyncClient(transport=AsyncHttp1Transport(_MAX_KEEPALIVE_CONNECTIONS)))


def _mark(client: Any) -> Any:
    client.splits_timeouts = True  # see `build`
    return client


def _is_proxied(url: str) -> bool:
    """As the environment says, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""
    from urllib.request import getproxies, proxy_bypass

    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return not {scheme, "all"}.isdisjoint(getproxies()) and not proxy_bypass(host)


def _with_proxies(make: Callable[..., Any]) -> Any:
    import httpx2

    from zai.http.http1_transport import ssl_context

    limits = httpx2.Limits(
        max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_KEEPALIVE_CONNECTIONS
    )
    try:
        return make(limits=limits, verify=ssl_context())
    except (ImportError, ValueError) as error:  # SOCKS without its package, a scheme that nobody knows
        message = f"the proxy of the environment cannot be used: {error}; unset ALL_PROXY and its like"
        raise APIConnectionError(message=f"{message}, or pass http_client=") from error


def build(http_client: Any, request: Request, connection: InterruptibleConnection, end: float) -> Any:
    """The library's own request. Our own transports hold its connection, and wait for a head until `end`."""
    connect, read, write, pool = request.timeout
    body = read
    if (limits := request.limits) is not None:
        # The stream watches its own time; the library's limit must not be shorter.
        body = None
        if not getattr(http_client, "splits_timeouts", False):
            read = limits.total if limits.idle is None else max(limits.idle, limits.first_chunk or 0)
    timeout = {"connect": connect, "read": read, "body": body, "write": write, "pool": pool}
    return http_client.build_request(
        request.method,
        request.url,
        headers=request.headers,
        content=request.body,
        extensions={"timeout": timeout, "connection": connection, "end": end},
    )


def head_timeout(request: Request, left: float) -> float:
    """How long the head of the response may take; infinity if the library's own limits hold."""
    if (limits := request.limits) is None:
        return math.inf
    waits = (request.timeout[1], limits.first_chunk or limits.idle, left)
    return min(wait for wait in waits if wait is not None)


def attach(connection: InterruptibleConnection, response: Any) -> None:
    """The connection of a library that knows of none: what the response comes over."""
    network = response.extensions.get("network_stream")
    stream_socket = network and network.get_extra_info("socket")
    if isinstance(stream_socket, socket.socket):
        connection.attach(stream_socket)


def iter_body(response: Any, *, asynchronous: bool = False) -> Any:
    """The body's bytes as they come; inflated only where the server compressed them."""
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    if is_plain and not response.is_stream_consumed:
        return response.stream
    return response.aiter_bytes() if asynchronous else response.iter_bytes()


def transport_exceptions(origin: Any) -> tuple[type[Exception], ...]:
    """What the library raises that `origin`, a client or a response, is of."""
    for base in type(origin).__mro__:
        library = sys.modules.get(base.__module__.partition(".")[0])
        if hasattr(library, "HTTPError") and hasattr(library, "InvalidURL"):
            return (library.HTTPError, library.InvalidURL, library.StreamError, *_OF_SOCKETS)  # type: ignore[union-attr]
    return _OF_SOCKETS


def connection_error(
    error: Exception, url: str, request: Any = None, *, limit: float = math.inf
) -> APIConnectionError:
    """The library's error in our words, with what to do; `limit` is the caller's own, in seconds."""
    names = {base.__name__ for base in type(error).__mro__}
    detail = str(error) or type(error).__name__
    if names & _NO_ADDRESS:
        message = f"{url} cannot be called: {detail}; base_url must look like https://api.z.ai/api/paas/v4"
    elif "PoolTimeout" in names:
        message = "all connections of this client are busy; read streams to their end or use them in `with`"
    elif "ConnectTimeout" in names:
        message = f"no connection to {url} in time; is the server up? a longer timeout= may help"
    elif names & {"TimeoutException", "TimeoutError"} and limit < math.inf:
        message = f"no answer from {url} within {round(limit, 1):g} s (StreamTimeout)"
    elif names & {"TimeoutException", "TimeoutError"}:
        message = f"no answer from {url} in time; a longer timeout= or stream=True may help"
    elif _is_tls(error):
        message = f"TLS with {url} failed: {detail}; check that base_url's https and host are right"
    elif "ConnectError" in names or isinstance(error, ConnectionRefusedError):
        message = f"cannot connect to {url}: {detail}; is the server running, and is base_url right?"
    else:
        message = f"the connection to {url} broke: {detail}"
    if names & (_NO_ADDRESS | {"ConnectError"}) and _is_proxied(url):
        message += " The environment names a proxy: is it right, and running?"
    if names & {"TimeoutException", "TimeoutError"}:
        return APITimeoutError(request, message=message)
    return APIConnectionError(message=message, request=request)


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if "SSL" in type(error).__name__ or "SSL" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
