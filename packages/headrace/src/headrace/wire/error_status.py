"""The HTTP status that an error object stands for, when it arrives within a response of status 200."""

from typing import Any, Final

from headrace.errors import STATUS_OF_CODE

__all__ = ["error_code", "error_status"]

_STATUS_OF_WORDS: Final = {
    "authentication_error": 401,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_api_key": 401,
    "invalid_request": 400,
    "invalid_request_error": 400,
    "model_not_found": 404,
    "not_found_error": 404,
    "notfounderror": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limited": 429,
    "service_unavailable": 503,
    "too_many_requests": 429,
}
"""Words that other servers send as an error's code or type, in lower case."""


def error_code(error: Any) -> str:
    """Return the `code` of an error object; "" if there is none."""
    code = error.get("code") if isinstance(error, dict) else None
    return str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""


def error_status(error: Any) -> int:
    """Return the status for an error's code, its status, or its type in words; 500 if none is known."""
    code = error_code(error)
    if code in STATUS_OF_CODE:
        return STATUS_OF_CODE[code]
    fields = error if isinstance(error, dict) else {}
    for number in (code, str(fields.get("status_code")), str(fields.get("status"))):
        if number.isascii() and number.isdigit() and 400 <= int(number[:9]) < 600:
            return int(number)
    words = (word.lower() for word in (code, str(fields.get("type"))))
    return next((_STATUS_OF_WORDS[word] for word in words if word in _STATUS_OF_WORDS), 500)
