"""Errors as the Messages API has them.

Its clients decide by the type, and by words in the message, whether to try again, shorten the conversation or
leave out an image.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from headrace.errors import HeadraceError, ImageError, LimitError, RequestError
from headrace.wire.messages.decode_request import ThreadError

__all__ = ["error_of", "status_of", "stream_error"]

_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    410: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_NAMES: Final = (
    (re.compile(r"\b(tools\.\d+)\.parameters"), r"\1.input_schema"),
    (re.compile(r"\bresponse_format\.json_schema\.schema"), "output_config.format.schema"),
    (re.compile(r"\bresponse_format\b"), "output_config.format"),
    (re.compile(r"^stop\b"), "stop_sequences"),
)
"""Names of Z.ai's fields in messages, and those of the fields that the client has sent."""

_UNKNOWN_MODEL: Final = "1211"
_TOO_LONG: Final = "1261"
_MAXIMUM: Final = re.compile(
    r"(?:context(?: length| window| size| has)?(?: is| of)?|more than|limit of|exceeds[a-z -]*?) (\d+)"
    r"|(\d+) tokens?,? (?:the model's|maximum)"
)
_NUMBER: Final = re.compile(r"(\d+)(?: input)? (?:tokens|in the)")


def error_of(error: HeadraceError) -> dict[str, Any]:
    """Return the `error` object of an error response or of an `error` event."""
    status = status_of(error)
    fallback = "invalid_request_error" if status < 500 else "api_error"
    message = error.public
    for pattern, name in _NAMES if isinstance(error, RequestError) else ():
        message = pattern.sub(name, message)
    plain: dict[str, Any] = {"type": _TYPES.get(status, fallback), "message": message}
    if error.code == _TOO_LONG:
        plain["message"] = _too_long(error.public)
    if isinstance(error, ImageError):
        plain["message"] = "Could not process image: this model accepts only text"
    if isinstance(error, ThreadError):
        plain["details"] = error.details
    return plain


def stream_error(error: HeadraceError) -> dict[str, Any]:
    """Return the `error` object of a stream that broke.

    Its type is always one after which clients try again. If the request is at fault, they then learn it:
    Claude Code sends it again without `stream`, so that the error has a status.
    """
    kind = "overloaded_error" if isinstance(error, LimitError) or error.status == 503 else "api_error"
    return {**error_of(error), "type": kind}


def status_of(error: HeadraceError) -> int:
    """Return the status of an error response: 404 for an unknown model, 529 for an overloaded server."""
    if error.code == _UNKNOWN_MODEL:
        return 404
    if isinstance(error, LimitError) and error.code == "1305":
        return 529
    return error.status


def _too_long(message: str) -> str:
    """Return the words after which clients shorten the conversation, with the figures as far as known."""
    limits = [int(found[1] or found[2]) for found in _MAXIMUM.finditer(message)]
    if not limits:
        return f"prompt is too long: {message}"
    maximum = limits[0]
    tokens = max([maximum + 1, *(int(number) for number in _NUMBER.findall(message))])
    return f"prompt is too long: {tokens} tokens > {maximum} maximum ({message})"
