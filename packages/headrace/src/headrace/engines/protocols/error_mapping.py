"""Answers that are no stream → errors of ours: whose fault it is, and what a person can do."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from headrace.errors import STATUS_OF_CODE, EngineError, HeadraceError, LimitError, RequestError

__all__ = ["Source", "map_error", "refusal"]

_SHOWN: Final = 300  # characters of a message
_LONGEST_WAIT: Final = 86_400.0  # seconds
_TAGS: Final = re.compile(r"<(script|style|head)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TOO_LONG: Final = re.compile(
    r"context (length|size|window)|exceed_context_size|prompt is too long|maximum prompt length",
    re.IGNORECASE,
)
"""How vLLM, SGLang, llama.cpp and others say that a prompt does not fit."""

_NO_GRAMMAR: Final = re.compile(r"parse grammar|grammar stack")
"""How llama.cpp says that nothing, or nothing more, can be written that is of the form asked for."""


class Source(msgspec.Struct, frozen=True):
    """Who answers, as messages name it.

    Args:
        name: a URL without secrets, or a program.
        key_variable: the environment variable that holds the key; "" if there is none.
    """

    name: str
    key_variable: str = ""


def refusal(source: Source, status: int, body: bytes, retry_after: str = "") -> HeadraceError:
    """The error that an answer is: by its status, and by its body where that says more.

    Args:
        source: who answered.
        status: of HTTP; 200 for an error that pretends to be none.
        body: JSON in any of the usual shapes, HTML or text.
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
    return map_error(source, error, status, retry_after)


def map_error(source: Source, error: Any, status: int = 200, retry_after: str = "") -> HeadraceError:
    """The error that an error object is, from a body or from the midst of a stream."""
    code, message = _read(error)
    if code in STATUS_OF_CODE and len(code) == 4:  # Z.ai's codes say more than its statuses
        status = STATUS_OF_CODE[code]
    else:
        if status < 300:
            status = int(code) if code.isdigit() and 400 <= int(code) < 600 else 500
        code = ""
    if _TOO_LONG.search(message) and status in (400, 413, 422, 500):
        return RequestError(f"messages: {message}", code="1261")
    if _NO_GRAMMAR.search(message):
        msg = "response_format or tool_choice: the model cannot be held to this schema; make it simpler"
        return RequestError(f"{msg} ({message})", code="1212")
    if status == 429 or (status == 503 and retry_after):
        return LimitError(f"{source.name} is busy: {message}", code=code, retry_after=_seconds(retry_after))
    if status in (401, 403):
        return EngineError(f"{source.name} does not accept its key ({message}); {_key_hint(source)}")
    if status in (400, 413, 422):
        return RequestError(f"the model's server refuses the request: {message}", code=code)
    if status in (404, 405):
        return EngineError(
            f"{source.name} has no such model or endpoint: {message}; check url and upstream_model"
        )
    if status == 503:
        return EngineError(f"{source.name} is not available: {message}", code="1221")
    return EngineError(f"{source.name} failed with status {status}: {message}")


def _key_hint(source: Source) -> str:
    if source.key_variable:
        return f"check the environment variable {source.key_variable}"
    return 'put the key into an environment variable and name it: upstream_key_env = "VARIABLE"'


def _read(error: Any) -> tuple[str, str]:
    """Code and message of an error in any of the usual shapes."""
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
    """Seconds, or a date as HTTP writes them, up to a day; one second where nothing is said."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except ValueError:
            return 1.0
    return min(max(0.0, seconds), _LONGEST_WAIT)
