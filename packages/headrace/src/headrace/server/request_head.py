"""Rules for the head of a request that the parser does not know (RFC 9110, RFC 9112)."""

from collections.abc import Sequence
from typing import Final

from headrace.errors import RequestError
from headrace.reached_limits import report_limit

__all__ = [
    "MAX_TARGET",
    "check_head",
    "check_size",
    "head_error",
    "origin_form",
    "replace_host",
    "too_large",
]

MAX_TARGET: Final = 8 * 1024
"""Bytes of a URL. The longest one of the API has a signed token in its query, of some hundred bytes."""

_SINGLE: Final = frozenset(
    {
        b"api-key",
        b"authorization",
        b"content-type",
        b"host",
        b"last-event-id",
        b"origin",
        b"sec-fetch-site",
        b"x-api-key",
    }
)
"""Fields whose meaning would depend on which of two lines a program, or a proxy before it, reads."""

_SCHEMES: Final = (b"http://", b"https://")

Field = tuple[bytes, bytes]


def head_error(reason: str, status: int = 400) -> RequestError:
    """Return an error that ends a connection."""
    return RequestError(reason, code="1210", status=status)


def too_large(limit: int) -> RequestError:
    """Report a head of more bytes than the limit; return the error."""
    error = head_error(f"the head is larger than {limit} bytes", status=431)
    report_limit("max_head_size", error.message)
    return error


def check_size(target: bytes, fields: Sequence[Field], limit: int) -> None:
    """Check the bytes of a complete head.

    Raises:
        RequestError: 1210, it is too large.
    """
    if len(target) + sum(len(name) + len(value) + 4 for name, value in fields) > limit:
        raise too_large(limit)


def check_head(version: str, target: bytes, fields: Sequence[Field], max_fields: int) -> None:
    """Check a complete head; names are in lower case.

    Raises:
        RequestError: 1210, it has to be rejected.
    """
    if version not in ("1.1", "1.0"):
        raise head_error(f"HTTP/{version} is not supported; use HTTP/1.1", status=505)
    if len(target) > MAX_TARGET:
        raise head_error(f"the URL is longer than {MAX_TARGET} bytes", status=414)
    if len(fields) > max_fields:
        error = head_error(f"there are more than {max_fields} headers", status=431)
        report_limit("max_header_fields", error.message)
        raise error
    names = [name for name, _ in fields]
    if len(set(names)) < len(names):
        for name in _SINGLE:
            if (count := names.count(name)) > 1:
                raise head_error(f"the header {name.decode()} is there {count} times; send it once")
    if b"host" not in names and version == "1.1":
        raise head_error("the header Host is missing, which HTTP/1.1 requires")
    if b"transfer-encoding" in names:
        codings = b", ".join(value for name, value in fields if name == b"transfer-encoding")
        if codings.strip().lower() != b"chunked":
            shown = codings[:40].decode("latin-1")
            raise head_error(f"Transfer-Encoding is {shown}; only chunked is supported", status=501)


def origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes]:
    """Split a target that does not begin with a slash into path and query, and authority.

    The authority is that of `http://authority/path`, otherwise b"".

    Raises:
        RequestError: 1210, it is a request to a proxy.
    """
    if method == b"CONNECT":
        raise head_error("this server is not a proxy: CONNECT is not supported", status=501)
    if not target[:8].lower().startswith(_SCHEMES):
        return target, b""
    rest = target.partition(b"://")[2]
    end = min((at for mark in b"/?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    path = rest[end:]
    return path if path.startswith(b"/") else b"/" + path, rest[:end]


def replace_host(fields: list[Field], authority: bytes) -> None:
    """Put the authority of a target in place of `Host` (RFC 9112, 3.2.2), unless it is b""."""
    if authority:
        fields[:] = [(name, authority if name == b"host" else value) for name, value in fields]
