"""The proxy of the environment: HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Loopback never goes through one."""

from base64 import b64encode
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from headrace.errors import RequestError

__all__ = ["Proxy", "basic_credentials", "find_proxy"]


class Proxy(NamedTuple):
    """Where a proxy listens, and the value of Proxy-Authorization, if any."""

    host: str
    port: int
    authorization: str


def find_proxy(url: SplitResult) -> Proxy | None:
    """Return the proxy for a URL; None for a direct connection.

    Raises:
        RequestError: the variable does not hold the URL of an HTTP proxy.
    """
    host = url.hostname or ""
    value = getproxies_environment().get(url.scheme, "")
    if not value or _is_loopback(host) or proxy_bypass(url.netloc.rpartition("@")[2]):
        return None
    name = f"{url.scheme.upper()}_PROXY"
    try:
        proxy = urlsplit(value if "://" in value else f"http://{value}")
        port = proxy.port or 80
    except ValueError:
        proxy, port = urlsplit(""), 0
    if proxy.scheme != "http" or not proxy.hostname:
        msg = f"{name} is not the URL of an HTTP proxy, such as http://proxy:3128; or set NO_PROXY={host}"
        raise RequestError(msg)
    return Proxy(proxy.hostname, port, basic_credentials(proxy))


def basic_credentials(url: SplitResult) -> str:
    """Return the value of an Authorization header with a URL's user and password; "" if it has none."""
    if not url.username:
        return ""
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return f"Basic {b64encode(pair.encode()).decode()}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
