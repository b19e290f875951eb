"""Errors in the form of OpenAI's Responses API, with the codes by which its clients decide on a retry."""

import re
from typing import Any, Final

import msgspec

from headrace.errors import HeadraceError, LimitError

__all__ = ["CODES", "OF_STATUS", "encode_response_error", "failure_of", "status_of"]

CODES: Final = {
    "1113": "insufficient_quota",
    "1211": "model_not_found",
    "1261": "context_length_exceeded",
    "1301": "content_policy_violation",
    "1302": "rate_limit_exceeded",
    "1303": "rate_limit_exceeded",
    "1305": "rate_limit_exceeded",
}
"""OpenAI's codes for those of Z.ai. Other errors have the code of their status."""

OF_STATUS: Final = {
    401: "invalid_api_key",
    403: "forbidden",
    404: "not_found",
    410: "gone",
}
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_STATUSES: Final = {"1211": 404}
_FIELD: Final = re.compile(r"[a-z_]+(?:\[\d+\]|\.[\w$-]+)*(?=:| (?:is|has|contains|needs|must)\b)")
_RENAMED: Final = (
    (re.compile(r"\bmax_tokens\b"), "max_output_tokens"),
    (re.compile(r"\breasoning_effort\b"), "reasoning.effort"),
    (re.compile(r"\bresponse_format(\.json_schema)?\b"), "text.format"),
    (re.compile(r"^messages\b"), "input"),
)


def status_of(error: HeadraceError) -> int:
    """Return the status of an error response. Codex sends no request again after 400, or 404 for a model."""
    return _STATUSES.get(error.code, error.status)


def encode_response_error(error: HeadraceError) -> bytes:
    """Encode the body of an error response: `{"error": {"message", "type", "param", "code"}}`.

    `param` is the field that the message names at its beginning.
    """
    status, message = status_of(error), _renamed(error.public)
    field = _FIELD.match(message) if status == 400 else None
    default = "invalid_request" if status < 500 else "server_error"
    body = {
        "message": message,
        "type": _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"),
        "param": "model" if error.code == "1211" else field.group() if field else None,
        "code": CODES.get(error.code) or OF_STATUS.get(status, default),
    }
    return msgspec.json.encode({"error": body})


def failure_of(error: HeadraceError) -> dict[str, Any]:
    """Return the `error` of a response that failed after its head was sent.

    Codex stops after `context_length_exceeded`, `insufficient_quota` and `invalid_prompt`. It repeats the
    request after every other code, and waits before as long as the message of `rate_limit_exceeded` names.
    """
    is_hopeless = error.status < 500 and error.code not in CODES
    code = "invalid_prompt" if is_hopeless else CODES.get(error.code, "server_error")
    message = _renamed(error.public)
    if isinstance(error, LimitError) and code == "rate_limit_exceeded":
        message += f"; try again in {error.retry_after:g}s"
    return {"code": code, "message": message}


def _renamed(text: str) -> str:
    """Return a message with the names of this API; errors of engines have those of chat completions."""
    for old, new in _RENAMED:
        text = old.sub(new, text)
    return text
