"""Error responses of servers → exceptions: who is at fault, and what to do."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from headrace.errors import STATUS_OF_CODE, EngineError, HeadraceError, LimitError, RequestError

__all__ = ["Upstream", "map_error", "map_response"]

_SHOWN: Final = 300  # characters of a message
_MAX_RETRY_AFTER: Final = 86_400.0  # seconds
_TAGS: Final = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TOO_LONG: Final = re.compile(
    r"context (length|size|window)|exceed_context_size|prompt is too long|maximum prompt length",
    re.IGNORECASE,
)
"""Messages of vLLM, SGLang, llama.cpp and others about a prompt that is too long."""

_NO_GRAMMAR: Final = re.compile(r"parse grammar|grammar stack")
"""Messages of llama.cpp about a grammar that is invalid, or has no continuation."""


class Upstream(msgspec.Struct, frozen=True):
    """The server, for messages.

    Args:
        name: its URL without secrets, or a program's name.
        key_variable: the environment variable that holds its key; "" if there is none.
    """

    name: str
    key_variable: str = ""


def map_response(upstream: Upstream, status: int, body: bytes, retry_after: str = "") -> HeadraceError:
    """Map an error response to an exception, by its status and its body.

    Args:
        upstream: the server.
        status: the HTTP status; 200 for an error in a successful response.
        body: JSON in any of the usual formats, HTML or text.
        retry_after: the header, in seconds or as a date.
    """
    try:
        error = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = _text(body.decode("utf-8", "replace"))
    if isinstance(error, list) and len(error) == 1:  # Gemini's
        (error,) = error
    if isinstance(error, dict) and isinstance(error.get("error"), dict | str):
        error = error["error"]
    return map_error(upstream, error, status, retry_after)


def map_error(upstream: Upstream, error: Any, status: int = 200, retry_after: str = "") -> HeadraceError:
    """Map an error object from a body or a stream to an exception."""
    code, message = _read(error)
    if code in STATUS_OF_CODE and len(code) == 4:  # Z.ai's codes are more specific than its statuses
        status = STATUS_OF_CODE[code]
    else:
        if status < 300:
            status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 500
        code = ""
    if _TOO_LONG.search(message) and status in (400, 413, 422, 500):
        return RequestError(f"messages: {message}", code="1261")
    if _NO_GRAMMAR.search(message):
        msg = "response_format or tool_choice: the model's server cannot enforce this schema; simplify it"
        return RequestError(f"{msg} ({message})", code="1212")
    if status == 429 or (status == 503 and retry_after):
        return LimitError(f"{upstream.name} is busy: {message}", code=code, retry_after=_seconds(retry_after))
    if status in (401, 403):
        return EngineError(f"{upstream.name} rejected its key ({message}); {_key_hint(upstream)}")
    if status in (400, 413, 422):
        return RequestError(f"the model's server rejected the request: {message}", code=code)
    if status in (404, 405):
        return EngineError(
            f"{upstream.name} has no such model or endpoint: {message}; check url and upstream_model"
        )
    if status == 503:
        return EngineError(f"{upstream.name} is not available: {message}", code="1221")
    return EngineError(f"{upstream.name} failed with status {status}: {message}")


def _key_hint(upstream: Upstream) -> str:
    if upstream.key_variable:
        return f"check the environment variable {upstream.key_variable}"
    return 'put the key into an environment variable and name it: upstream_key_env = "VARIABLE"'


def _read(error: Any) -> tuple[str, str]:
    """Return code and message of an error in any of the usual formats."""
    if not isinstance(error, dict):
        return "", str(error)[:_SHOWN] or "no reason given"
    message = next((error[key] for key in ("message", "detail", "msg") if error.get(key)), error)
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    kind = str(error.get("type") or "")
    if kind == "exceed_context_size_error":
        message = (
            f"the prompt has {error.get('n_prompt_tokens')} tokens, but the model's context length is"
            f" {error.get('n_ctx')}; shorten the messages"
        )
    return str(error.get("code") or error.get("status_code") or ""), message[:_SHOWN]


def _text(page: str) -> str:
    return " ".join(_TAGS.sub(" ", page).split())


def _seconds(retry_after: str) -> float:
    """Parse `Retry-After`, seconds or an HTTP date, up to a day; one second if there is none."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return 1.0
    return min(max(0.0, seconds), _MAX_RETRY_AFTER)
