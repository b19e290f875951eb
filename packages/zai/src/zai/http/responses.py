"""Response bodies → structs, or the exceptions that they stand for."""

from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import structs

from headrace.errors import STATUS_OF_CODE, DecodeError
from headrace.wire.decode import decode_model
from headrace.wire.model import WireModel
from zai.errors import (
    APIAuthenticationError,
    APIInternalError,
    APIReachLimitError,
    APIRequestFailedError,
    APIResponseValidationError,
    APIServerFlowExceedError,
    APIStatusError,
    ZaiError,
)
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus

__all__ = [
    "decode_response",
    "decode_task_result",
    "extract_error",
    "status_error",
    "stream_error",
    "unexpected_body_error",
]

_Model = TypeVar("_Model", bound=WireModel)

_CLASS_OF_STATUS: Final[dict[int, type[APIStatusError]]] = {
    400: APIRequestFailedError,
    401: APIAuthenticationError,
    429: APIReachLimitError,
    500: APIInternalError,
    503: APIServerFlowExceedError,
}

# Other servers name the kind of an error in words.
_STATUS_OF_TYPE: Final = {
    "authentication_error": 401,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "not_found_error": 404,
    "overloaded_error": 503,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}


def decode_response(model: type[_Model], response: Any) -> _Model:
    """The answer; a 200 that carries an error, a web page or anything else raises."""
    content = response.content
    try:
        answer = decode_model(model, content)
    except DecodeError:
        raise unexpected_body_error(response, content) from None
    needed = [field.name for field in structs.fields(model) if field.required]
    if answer.model_extra.get("error") or all(answer[name] is None for name in needed):
        raise unexpected_body_error(response, content)
    return answer


def decode_task_result(response: Any) -> AsyncCompletion | AsyncTaskStatus:
    """The answer where it is there, otherwise how far it is."""
    status = decode_response(AsyncTaskStatus, response)
    return decode_response(AsyncCompletion, response) if status.model_extra.get("choices") else status


def status_error(response: Any, content: bytes) -> APIStatusError:
    """The error of a response whose status says that it is one."""
    status: int = response.status_code
    body = _decode(content)
    error = extract_error(body)
    if error is None:
        message, code = _describe(status, content, response), ""
    else:
        message, code = _message(error), _code(error)
    label = f"status {status}, code {code}" if code else f"status {status}"
    if status == 404 and error is not None:
        label += f", from {getattr(response, 'url', 'the server')}; is base_url right?"
    error_class = _CLASS_OF_STATUS.get(status, APIStatusError)
    return error_class(f"{message} ({label})", response=response, code=code, body=body)


def stream_error(error: object, response: Any = None, where: str = "within the stream") -> APIStatusError:
    """The error that came inside a 200: of the class that its code has as a status."""
    code = _code(error)
    status = _status(error, code)
    label = f"{where}, code {code}" if code else where
    error_class = _CLASS_OF_STATUS.get(status, APIStatusError)
    message = f"{_message(error)} ({label})"
    return error_class(message, response=response, status_code=status, code=code, body=error)


def unexpected_body_error(response: Any, content: bytes) -> ZaiError:
    """What to raise for a 200 whose body is neither a stream nor JSON that the API knows."""
    body = _decode(content)
    error = extract_error(body)
    if error is not None:
        return stream_error(error, response, "with status 200")
    message = _describe(getattr(response, "status_code", 200), content, response)
    return APIResponseValidationError(response, body, message=message)


def extract_error(body: Any) -> object | None:
    """The `error` of a JSON body; also of bodies that put code and message at the top."""
    if not isinstance(body, dict):
        return None
    if error := body.get("error"):
        return cast("object", error)
    if "choices" not in body and isinstance(body.get("message") or body.get("msg"), str):
        return body
    return None


def _decode(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "replace")


def _describe(status: int, content: bytes, response: Any) -> str:
    url = getattr(response, "url", "the server")
    text = " ".join(content[:2000].decode("utf-8", "replace").split())
    shown = text if len(text) <= 120 else text[:117] + "…"
    if text.startswith("<"):
        return (
            f"{url} answered with a web page, not with this API: {shown!r}; "
            "a proxy may stand between, or base_url is wrong"
        )
    if 300 <= status < 400:
        return f"{url} redirects to {response.headers.get('location')}; set base_url to that address"
    if status == 404:
        return f"{url} does not exist on this server: {shown!r}; check base_url"
    if not text:
        return f"{url} answered with nothing; check base_url"
    return f"{url} answered: {shown!r}"


def _message(error: object) -> str:
    if isinstance(error, dict):
        text = error.get("message") or error.get("msg")
        return text if isinstance(text, str) else msgspec.json.encode(error).decode()
    return str(error)


def _code(error: object) -> str:
    code = error.get("code") if isinstance(error, dict) else None
    return str(code) if isinstance(code, str | int) and not isinstance(code, bool) else ""


def _status(error: object, code: str) -> int:
    if code in STATUS_OF_CODE:
        return STATUS_OF_CODE[code]
    if code.isascii() and code.isdigit() and 400 <= int(code[:9]) < 600:
        return int(code)
    kind = error.get("type") if isinstance(error, dict) else None
    return _STATUS_OF_TYPE.get(code) or _STATUS_OF_TYPE.get(str(kind), 500)
