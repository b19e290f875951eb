"""The caller's arguments → the request to send. Values in, values out."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol, TypedDict

import msgspec

from headrace.wire.model import WireModel
from zai.arguments import NOT_GIVEN, SECONDS, NotGiven, Omit, check_argument, is_seconds
from zai.errors import ZaiError
from zai.http.deadlines import StreamTimeout

__all__ = [
    "DEFAULT_TIMEOUT",
    "Request",
    "RequestOptions",
    "Timeout",
    "TimeoutLike",
    "check_stream_timeout",
    "encode_body",
    "merge_headers",
    "parse_timeout",
]


class Timeout(NamedTuple):
    """Seconds: to connect, between two reads, between two writes, for a free connection."""

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None


DEFAULT_TIMEOUT: Final = Timeout(8.0, 300.0, 300.0, 300.0)


class _TimeoutObject(Protocol):
    """A Timeout of httpx or httpx2."""

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None


TimeoutLike = (
    float | tuple[float | None, float | None, float | None, float | None] | _TimeoutObject | NotGiven | None
)


class RequestOptions(TypedDict, total=False):
    """Options of a single request."""

    extra_headers: Mapping[str, Any] | None
    extra_body: object
    timeout: TimeoutLike


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, independent of the library that sends it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    timeout: Timeout = DEFAULT_TIMEOUT
    stream: bool = False
    limits: StreamTimeout | None = None
    """The caller's limits of the stream; without them `timeout` bounds how long it may be idle."""
    turn: str = ""
    """A random name for the turn of a stream, by which a Headrace knows all its retries; "" for no name."""
    is_named: bool = False
    """Whether the caller has given a `request_id`, which takes precedence over that name."""


def encode_body(fields: Mapping[str, Any], extra_body: object = None) -> bytes:
    """Encode JSON. Fields that are None or NOT_GIVEN are omitted; `extra_body` is merged as it is."""
    body = {name: _to_builtins(value) for name, value in fields.items() if _is_given(value)}
    if extra_body is not None:
        if not isinstance(extra_body, Mapping):
            msg = f"extra_body must be a dict, not {type(extra_body).__name__}"
            raise ZaiError(msg)
        body.update({name: _to_builtins(value) for name, value in extra_body.items()})
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError) as error:
        msg = f"the request cannot be encoded as JSON: {error}"
        raise ZaiError(msg) from error


def merge_headers(*layers: Mapping[str, Any] | None) -> dict[str, str]:
    """Merge headers: later layers win, regardless of a name's case; `Omit` removes a header."""
    merged: dict[str, tuple[str, Any]] = {}
    for layer in layers:
        for name, value in (layer or {}).items():
            merged[name.lower()] = (name, value)
    given = ((name, value) for name, value in merged.values() if not isinstance(value, Omit | NotGiven))
    return {name: _header(name, value) for name, value in given}


def parse_timeout(value: TimeoutLike, default: Timeout = DEFAULT_TIMEOUT) -> Timeout:
    """Accept a number of seconds, None (no limit), a tuple, or a Timeout of httpx or httpx2."""
    if isinstance(value, NotGiven):
        return default
    if isinstance(value, tuple):
        timeout: tuple[Any, ...] = value
    elif value is None or isinstance(value, str | int | float):
        timeout = (value, value, value, value)
    else:
        timeout = (value.connect, value.read, value.write, value.pool)
    valid = len(timeout) == 4 and all(map(is_seconds, timeout))
    check_argument("timeout", value, f"{SECONDS}, or an httpx.Timeout", valid=valid)
    return Timeout(*timeout)


def check_stream_timeout(value: StreamTimeout | None) -> StreamTimeout | None:
    """Return `value` if it is a StreamTimeout or None."""
    valid = value is None or isinstance(value, StreamTimeout)
    check_argument("stream_timeout", value, "a StreamTimeout, such as StreamTimeout(idle=30)", valid=valid)
    return value


def _header(name: str, value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if not (name + text).isascii() or not text.isprintable():
        msg = f"header {name} is {text!r}; a header may hold printable ASCII only"
        raise ZaiError(msg)
    return text


def _is_given(value: Any) -> bool:
    return value is not None and value is not NOT_GIVEN and not isinstance(value, NotGiven | Omit)


def _to_builtins(value: Any) -> Any:
    """Copy to plain dicts and lists; messages may include objects of the SDK, or of pydantic."""
    if isinstance(value, WireModel):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: _to_builtins(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_builtins(item) for item in value]
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, bytes | bytearray):  # msgspec would encode them as base64
        msg = f"{value[:20]!r} is bytes; decode it"
        raise ZaiError(msg)
    return value
