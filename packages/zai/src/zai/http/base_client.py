"""The common base of the clients: settings from arguments, environment and defaults; building requests."""

import os
import re
import secrets
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic
from urllib.parse import quote

from msgspec import structs

from zai.arguments import NOT_GIVEN, SECONDS, check_argument, is_seconds
from zai.errors import ZaiError
from zai.http.auth import check_api_key, generate_token
from zai.http.deadlines import StreamTimeout
from zai.http.request import (
    DEFAULT_TIMEOUT,
    Request,
    Timeout,
    TimeoutLike,
    check_stream_timeout,
    encode_body,
    merge_headers,
    parse_timeout,
)
from zai.http_library import ClientT, Response

__all__ = ["DEFAULT_MAX_RETRIES", "STOP_SECONDS", "ZHIPU_URL", "BaseClient", "__version__", "turn_id_of"]

__version__ = "0.1.0"
DEFAULT_MAX_RETRIES: Final = 3
ZHIPU_URL: Final = "https://open.bigmodel.cn/api/paas/v4"

_LIBRARY_TIMEOUT: Final = Timeout(5.0, 5.0, 5.0, 5.0)  # of httpx and httpx2

_OTHER_RESOURCES: Final = (
    "agents assistant audio batches embeddings file_parser files images layout_parsing moderations ocr tools"
    " videos voice web_reader web_search"
)
"""The attributes of zai-sdk's clients that have no counterpart here."""

STOP_SECONDS: Final = 1.0
"""The time for a DELETE, whose response does not matter."""

# A proxy that compresses would buffer events.
_STREAM_HEADERS: Final = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


class _OutOfScopeError(ZaiError, AttributeError):
    """A ZaiError for which `hasattr` is false."""


class BaseClient(Generic[ClientT]):
    """Settings of a client. Builds requests; sends nothing.

    Args:
        api_key: defaults to `ZAI_API_KEY`.
        base_url: the API's root, such as `http://127.0.0.1:8000/api/paas/v4`; defaults to `ZAI_BASE_URL`.
        timeout: seconds, None, or a Timeout of httpx or httpx2; by default that of `http_client` if it has
            one of its own, otherwise 300 s, and 8 s to connect.
        max_retries: how often a failed request is sent again.
        http_client: a client of httpx2 or httpx to send with.
        custom_headers: sent with every request.
        disable_token_cache: True sends the key as it is, False as a signed token.
        source_channel: sent as `x-source-channel`.
        stream_timeout: default limits of streams.
        resume: request numbered events, and resume a stream that was disconnected if the server sends them.
        reconnect_timeout: seconds of waiting, since the last event, after which a disconnected stream is an
            error; None for no limit.
    """

    default_base_url: ClassVar[str] = "https://api.z.ai/api/paas/v4"
    default_headers: ClassVar[Mapping[str, str]] = {}
    http_client_class: ClassVar[str] = "Client"

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: object = None,
        timeout: TimeoutLike = NOT_GIVEN,
        max_retries: int = DEFAULT_MAX_RETRIES,
        http_client: ClientT | None = None,
        custom_headers: Mapping[str, str] | None = None,
        disable_token_cache: bool = True,
        source_channel: str | None = None,
        stream_timeout: StreamTimeout | None = None,
        resume: bool = True,
        reconnect_timeout: float | None = 60.0,
        _strict_response_validation: bool = False,
    ) -> None:
        self.api_key = check_api_key(api_key if api_key is not None else os.environ.get("ZAI_API_KEY"))
        self.base_url = _check_url(base_url or os.environ.get("ZAI_BASE_URL") or self.default_base_url)
        valid = isinstance(max_retries, int) and max_retries >= 0
        check_argument("max_retries", max_retries, "an int, 0 or more", valid=valid)
        self.max_retries = max_retries
        self.disable_token_cache = disable_token_cache
        self.source_channel = source_channel
        self.stream_timeout = check_stream_timeout(stream_timeout)
        self.resume = resume
        valid = is_seconds(reconnect_timeout)
        check_argument("reconnect_timeout", reconnect_timeout, SECONDS, valid=valid)
        self.reconnect_timeout = reconnect_timeout
        self._custom_headers = dict(custom_headers or {})
        kind = self.http_client_class
        valid = http_client is None or kind in {base.__name__ for base in type(http_client).__mro__}
        check_argument("http_client", http_client, f"an httpx2.{kind} or httpx.{kind}", valid=valid)
        self._http: ClientT | None = http_client
        self.timeout = parse_timeout(timeout, _timeout_of(http_client))
        self._lock = threading.Lock()
        self._closed = False
        self._may_be_headrace = True

    if not TYPE_CHECKING:  # for a type checker, __getattr__ would make every name valid

        def __getattr__(self, name: str) -> Any:
            if name in _OTHER_RESOURCES.split():
                msg = f"headrace-zai has no client.{name}, only chat completions, their tasks, and models"
                raise _OutOfScopeError(msg)
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(msg)

    @property
    def auth_headers(self) -> dict[str, str]:
        """The client's default headers, and those that carry the key, raw or as a token."""
        key = self.api_key if self.disable_token_cache else generate_token(self.api_key)
        channel = self.source_channel or "python-sdk"
        return {**self.default_headers, "Authorization": f"Bearer {key}", "x-source-channel": channel}

    def is_closed(self) -> bool:
        """True after `close`."""
        return self._closed or bool(getattr(self._http, "is_closed", False))

    def _open(self, make: Callable[[str], ClientT]) -> ClientT:
        """Return the HTTP library's client; make it on first use."""
        with self._lock:
            if self.is_closed():
                msg = "this client is closed; create another"
                raise ZaiError(msg)
            if self._http is None:
                self._http = make(self.base_url)
                close = getattr(self._http, "close", None)  # asyncio has `aclose`, which needs the event loop
                if close is not None:  # with the last copy of this client: all of them have this lock
                    weakref.finalize(self._lock, close)
            return self._http

    def request(
        self,
        method: str,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        extra_headers: Mapping[str, Any] | None = None,
        extra_body: object = None,
        timeout: TimeoutLike = NOT_GIVEN,
        stream: bool = False,
        stream_timeout: StreamTimeout | None = None,
    ) -> Request:
        """Build a request to `path` below the base URL."""
        own = {"Accept": "application/json", "User-Agent": f"headrace-zai/{__version__}"}
        turn = ""
        if stream:
            own.update(_STREAM_HEADERS)
            if self.resume:
                turn = f"zai-{secrets.token_hex(16)}"
                own |= {"X-Headrace-Resumable": "1", "X-Headrace-Request-Id": turn}
        body = None
        if fields is not None or extra_body is not None:
            own["Content-Type"] = "application/json; charset=UTF-8"
            body = encode_body(fields or {}, extra_body)
        return Request(
            method=method,
            url=_join(self.base_url, path),
            headers=merge_headers(own, self.auth_headers, self._custom_headers, extra_headers),
            body=body,
            timeout=parse_timeout(timeout, self.timeout),
            stream=stream,
            limits=check_stream_timeout(stream_timeout or self.stream_timeout) if stream else None,
            turn=turn,
            is_named=bool((fields or {}).get("request_id")),
        )

    def turn_request(self, request: Request, method: str, turn_id: str) -> Request:
        """Build the request that resumes (POST) or stops (DELETE) the turn that `request` started.

        Args:
            request: a request for a stream.
            method: POST or DELETE.
            turn_id: the server's id of the turn, or `request.turn`.
        """
        headers = {name: value for name, value in request.headers.items() if name != "Content-Type"}
        if not self.disable_token_cache:
            headers |= self.auth_headers  # the token may have expired since
        url = _join(request.url, quote(turn_id, safe=""))
        return structs.replace(request, method=method, url=url, headers=headers, body=None)

    def recognise(self, response: Response) -> None:
        """Note whether the server is a Headrace, by the response to a request for a stream."""
        self._may_be_headrace = bool(turn_id_of(response))

    def stop_request(self, request: Request, response: Response | None) -> Request | None:
        """Build the request that stops a turn which the server would otherwise continue without its reader.

        Args:
            request: the one for the stream.
            response: the last one to it; None if none has come.

        Returns:
            None if the server is no Headrace. While that is unknown, the request has the turn's random name,
            which nothing else on any server has.
        """
        turn = request.turn if response is None and self._may_be_headrace else ""
        if response is not None:
            turn = turn_id_of(response)
        if not turn or not self.resume:
            return None
        stop = self.turn_request(request, "DELETE", turn)
        return structs.replace(stop, timeout=parse_timeout(STOP_SECONDS), stream=False, limits=None)


def turn_id_of(response: Response) -> str:
    """Return the id under which the server can resume and stop a turn; "" if it is no Headrace."""
    return response.headers.get("x-headrace-turn", "")


def _timeout_of(http_client: Any) -> Timeout:
    """Return the timeout of a client that the caller made, unless it is the library's default."""
    timeout = parse_timeout(getattr(http_client, "timeout", NOT_GIVEN))
    return DEFAULT_TIMEOUT if timeout == _LIBRARY_TIMEOUT else timeout


def _check_url(url: object) -> str:
    text = str(url)
    scheme, _, rest = text.partition("://")
    if scheme.lower() not in ("http", "https") or not rest:
        msg = f"base_url is {text!r}; it must begin with http:// or https://"
        raise ZaiError(msg)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        shown = text.replace(authority, authority.rpartition("@")[2], 1)
        msg = (
            f"base_url has a user and a password, which would replace the API key; use {shown} and, if the"
            " server needs them, custom_headers={'Authorization': 'Basic …'}"
        )
        raise ZaiError(msg)
    base, mark, query = text.partition("?")
    if "#" in text:
        msg = f"base_url is {text!r}; remove what follows the #, which is never sent to a server"
        raise ZaiError(msg)
    return f"{base.rstrip('/')}{mark}{query}"


def _join(url: str, path: str) -> str:
    """Append a path to the one of a URL, before its query."""
    base, mark, query = url.partition("?")
    return f"{base}/{path.lstrip('/')}{mark}{query}"
