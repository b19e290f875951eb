"""What the caller asked for → the request that is sent. Values in, values out."""

from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.wire.model import WireModel
from zai.arguments import NOT_GIVEN, SECONDS, NotGiven, Omit, check_argument, is_seconds
from zai.errors import ZaiError
from zai.http.deadlines import StreamTimeout

__all__ = [
    "DEFAULT_TIMEOUT",
    "Request",
    "Timeout",
    "check_stream_timeout",
    "encode_body",
    "merge_headers",
    "parse_timeout",
]

Timeout = tuple[float | None, float | None, float | None, float | None]
"""Seconds: to connect, between two reads, between two writes, for a free connection."""

DEFAULT_TIMEOUT: Timeout = (8.0, 300.0, 300.0, 300.0)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request, before any library has seen it."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
    timeout: Timeout = DEFAULT_TIMEOUT
    stream: bool = False
    limits: StreamTimeout | None = None
    """A stream's own, where the caller set them; otherwise it may be idle as long as a read may take."""


def encode_body(fields: Mapping[str, Any], extra_body: object = None) -> bytes:
    """JSON text. What is absent or None is left out; `extra_body` comes last and may say null."""
    body = {name: _plain(value) for name, value in fields.items() if _is_given(value)}
    if extra_body is not None:
        if not isinstance(extra_body, Mapping):
            msg = f"extra_body must be a dict, not {type(extra_body).__name__}"
            raise ZaiError(msg)
        body.update({name: _plain(value) for name, value in extra_body.items()})
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError) as error:
        msg = f"the request cannot be written as JSON: {error}"
        raise ZaiError(msg) from error


def merge_headers(*layers: Mapping[str, Any] | None) -> dict[str, str]:
    """Later layers win, whatever the case of a name; `Omit` takes a header away."""
    merged: dict[str, tuple[str, Any]] = {}
    for layer in layers:
        for name, value in (layer or {}).items():
            merged[name.lower()] = (name, value)
    given = ((name, value) for name, value in merged.values() if not isinstance(value, Omit | NotGiven))
    return {name: _header(name, value) for name, value in given}


def parse_timeout(value: Any, default: Timeout = DEFAULT_TIMEOUT) -> Timeout:
    """From a number of seconds, None (no limit), a tuple, or a Timeout of httpx or httpx2."""
    if isinstance(value, NotGiven):
        return default
    if hasattr(value, "connect"):
        timeout = (value.connect, value.read, value.write, value.pool)
    else:
        timeout = value if isinstance(value, tuple) else (value, value, value, value)
    valid = len(timeout) == 4 and all(map(is_seconds, timeout))
    check_argument("timeout", value, f"{SECONDS}, or an httpx.Timeout", valid=valid)
    return timeout


def check_stream_timeout(value: Any) -> StreamTimeout | None:
    """The same, if it is a limit of streams."""
    limits: StreamTimeout | None = value
    valid = value is None or isinstance(value, StreamTimeout)
    expected = "a StreamTimeout, such as StreamTimeout(idle=30)"
    check_argument("stream_timeout", value, expected, valid=valid)
    return limits


def _header(name: str, value: Any) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if not (name + text).isascii() or not text.isprintable():
        msg = f"header {name} is {text!r}; a header holds printable ASCII only"
        raise ZaiError(msg)
    return text


def _is_given(value: Any) -> bool:
    return value is not None and value is not NOT_GIVEN and not isinstance(value, NotGiven | Omit)


def _plain(value: Any) -> Any:
    """The same in dicts and lists that are the SDK's own; answers may stand in a request's messages."""
    if isinstance(value, WireModel):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "model_dump") and not isinstance(value, type):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, bytes | bytearray):  # which would be sent as base64
        msg = f"{value[:20]!r} is bytes; decode it"
        raise ZaiError(msg)
    return value
