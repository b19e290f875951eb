"""Error responses of servers → exceptions: who is at fault, and what to do."""

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from headrace.errors import STATUS_OF_CODE, EngineError, HeadraceError, LimitError, RequestError
from headrace.wire.error_status import error_code, error_status

__all__ = ["MAX_ERROR_BYTES", "Upstream", "map_error", "map_response"]

MAX_ERROR_BYTES: Final = 64 * 1024
"""Bytes of an error response that are read."""
_SHOWN: Final = 300  # characters of a message
_MAX_RETRY_AFTER: Final = 86_400.0  # seconds
_REMOVED: Final = "…"
_ADDRESS: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>]++"  # a URL
    r"|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]{1,5})?\b"  # an IP address
    r"|(?<![\w.])(?:/[\w.@+-]++){2,}+"  # a path
    r"|\b[A-Z]:\\[^\s\"'<>]++",
    re.IGNORECASE,
)
"""Addresses of internal servers, and paths of their files."""

_HIDDEN: Final = re.compile(rb"<(script|style|head)\b", re.IGNORECASE)
_TOO_LONG: Final = re.compile(
    r"(?<!increasing )context (length|size|window)|exceed_context_size"
    r"|prompt is too long|maximum prompt length",
    re.IGNORECASE,
)
"""Messages of vLLM, SGLang, llama.cpp and others about a prompt that is too long; not llama-box's advice."""

_NO_GRAMMAR: Final = re.compile(r"parse grammar|grammar stack")
"""Messages of llama.cpp about a grammar that is invalid, or has no continuation."""


class Upstream(msgspec.Struct, frozen=True):
    """The server, for messages.

    Args:
        name: its URL without secrets, or a program's name.
        key_variable: the environment variable that holds its key; "" if there is none.
        key: its key, which some servers repeat in their messages; "" if there is none.
        host: of its URL; "" if it has none.
    """

    name: str
    key_variable: str = ""
    key: str = ""
    host: str = ""

    def without_key(self, text: str) -> str:
        """Remove the key, or its beginning where the text was cut, from a message of the server."""
        beginning = re.escape(self.key[:8])
        return re.sub(rf"{beginning}[^\s\"']*+", _REMOVED, text) if self.key else text

    def without_addresses(self, text: str) -> str:
        """Remove what only the operator may see from a message of the server."""
        text = _ADDRESS.sub(_REMOVED, text)
        return re.sub(rf"(?<![\w.-]){re.escape(self.host)}(?![\w-])", _REMOVED, text) if self.host else text


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
        error = " ".join(_text(body[:MAX_ERROR_BYTES]).decode("utf-8", "replace").split())
    if isinstance(error, list) and len(error) == 1:  # Gemini's
        (error,) = error
    for name in ("error", "base_resp"):  # the latter is MiniMax's
        if isinstance(error, dict) and isinstance(error.get(name), dict | str):
            error = error[name]
    return map_error(upstream, error, status, retry_after)


def map_error(upstream: Upstream, error: Any, status: int = 200, retry_after: str = "") -> HeadraceError:
    """Map an error object from a body or a stream to an exception."""
    code, reason = _read(error)
    reason = upstream.without_key(reason)[:_SHOWN]
    shown = upstream.without_addresses(reason)
    if code in STATUS_OF_CODE and len(code) == 4:  # Z.ai's codes are more specific than its statuses
        status = STATUS_OF_CODE[code]
    else:
        status = error_status(error) if status < 300 else status
        code = ""
    if _TOO_LONG.search(reason) and status in (400, 413, 422, 500):
        return RequestError(_too_long(shown), code="1261")
    if _NO_GRAMMAR.search(reason):
        msg = "response_format or tool_choice: the model's server cannot enforce this schema; simplify it"
        return RequestError(f"{msg} ({shown})", code="1212")
    if status in (400, 413, 422):
        return RequestError(f"the model's server rejected the request: {shown}", code=code)
    public = f"the model's server failed with status {status}: {shown}"
    if status == 429 or (status == 503 and retry_after):
        public = f"the model's server is busy: {shown}"
        wait = _seconds(retry_after)
        return LimitError(f"{upstream.name} is busy: {reason}", code=code, public=public, retry_after=wait)
    if status in (401, 403):
        msg = f"{upstream.name} rejected its key ({reason}); {_key_hint(upstream)}"
        return EngineError(msg, public="the model's server rejected the key that this server has for it")
    if status in (404, 405):
        msg = f"{upstream.name} has no such model or endpoint: {reason}; check url and upstream_model"
        return EngineError(msg, public="the model's server does not have this model or endpoint")
    if status == 503:
        public = f"the model's server is not available: {shown}"
        return EngineError(f"{upstream.name} is not available: {reason}", code="1221", public=public)
    return EngineError(f"{upstream.name} failed with status {status}: {reason}", public=public)


def _too_long(message: str) -> str:
    """Return a message with the words by which clients recognise a prompt that is too long."""
    message = message.removeprefix("messages: ")
    known = "" if "prompt is too long" in message else "the prompt is too long: "
    return f"messages: {known}{message}"


def _key_hint(upstream: Upstream) -> str:
    if upstream.key_variable:
        return f"check the environment variable {upstream.key_variable}"
    return 'put the key into an environment variable and name it: upstream_key_env = "VARIABLE"'


def _read(error: Any) -> tuple[str, str]:
    """Return code and message of an error in any of the usual formats."""
    if not isinstance(error, dict):
        return "", str(error) or "no reason given"
    message = next(
        (error[key] for key in ("message", "detail", "msg", "status_msg") if error.get(key)), error
    )
    if not isinstance(message, str):
        message = msgspec.json.encode(message).decode()
    kind = str(error.get("type") or "")
    if kind == "exceed_context_size_error":
        message = (
            f"{error.get('n_prompt_tokens')} tokens; this model's maximum context length is"
            f" {error.get('n_ctx')} tokens, please reduce the length of the messages"
        )
    return error_code(error), message


def _text(page: bytes) -> bytes:
    """Remove tags, scripts and styles, in one pass: every search starts where the previous one ended."""
    texts = []
    start = 0
    while (tag := page.find(b"<", start)) >= 0:
        texts.append(page[start:tag])
        end = tag
        if hidden := _HIDDEN.match(page, tag):
            closing = re.compile(b"</" + hidden[1], re.IGNORECASE).search(page, tag)
            end = closing.start() if closing else -1
        end = page.find(b">", end) if end >= 0 else -1
        if end < 0:
            return b" ".join(texts)
        start = end + 1
    return b" ".join([*texts, page[start:]])


def _seconds(retry_after: str) -> float:
    """Parse `Retry-After`, seconds or an HTTP date, up to a day; one second if there is none."""
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, IndexError, OverflowError, OSError):  # of a year, a zone …
            return 1.0
    return min(max(0.0, seconds), _MAX_RETRY_AFTER)
