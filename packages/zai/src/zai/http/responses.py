"""Response bodies → structs, or the exceptions that they stand for."""

from typing import Any, Final, TypeVar, cast

import msgspec
from msgspec import structs

from headrace.errors import DecodeError
from headrace.wire.completion import Completion
from headrace.wire.decode import decode_model
from headrace.wire.error_status import error_code, error_status
from headrace.wire.model import WireModel
from zai.errors import (
    WITHIN_STREAM,
    APIAuthenticationError,
    APIInternalError,
    APIReachLimitError,
    APIRequestFailedError,
    APIResponseValidationError,
    APIServerFlowExceedError,
    APIStatusError,
    ZaiError,
)
from zai.http_library import Response
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus

__all__ = [
    "buffered",
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

_OF_THE_BODY: Final = ("content-encoding", "content-length", "transfer-encoding")


def decode_response(model: type[_Model], response: Response) -> _Model:
    """Decode the body of a 200; raise if it is an error, a web page or anything else."""
    content = response.content
    try:
        decoded = decode_model(model, content)
    except DecodeError:
        raise unexpected_body_error(response, content) from None
    required = [field.name for field in structs.fields(model) if field.required]
    if decoded.model_extra.get("error") or all(decoded[name] is None for name in required):
        raise unexpected_body_error(response, content)
    return decoded


def decode_task_result(response: Response) -> AsyncCompletion | AsyncTaskStatus:
    """Decode the completion of a task, or its status if there is none yet."""
    status = decode_response(AsyncTaskStatus, response)
    return decode_response(AsyncCompletion, response) if status.model_extra.get("choices") else status


def status_error(response: Response, content: bytes) -> APIStatusError:
    """Return the error for a response whose status is one."""
    status = response.status_code
    body = _decode(content)
    error = extract_error(body)
    if error is None:
        message, code = _describe(content, response), ""
    else:
        message, code = _message(error), error_code(error)
    detail = f"status {status}{_code_and_filter(code, body)}"
    if status == 404 and error is not None:
        detail += f", from {response.url}; is base_url right?"
    error_class = _CLASS_OF_STATUS.get(status, APIStatusError)
    return error_class(message, response=response, code=code, body=body, detail=detail)


def stream_error(
    error: object,
    body: object,
    response: Response,
    where: str = "within the stream",
    *,
    partial: Completion | None = None,
) -> APIStatusError:
    """Return the error that came within a 200, in `body`; its class is that for its code's status."""
    code = error_code(error)
    status = error_status(error)
    error_class = WITHIN_STREAM[_CLASS_OF_STATUS.get(status, APIStatusError)]
    built = error_class(
        _message(error),
        response=response,
        status_code=status,
        code=code,
        body=error,
        detail=where + _code_and_filter(code, body),
    )
    vars(built).update(request=response.request, partial=partial)  # those of an APIResponseError
    return built


def buffered(response: Response, content: bytes) -> Response:
    """Return a copy of a streamed response whose body is `content`, for error handlers that read it."""
    headers = {name: value for name, value in response.headers.items() if name not in _OF_THE_BODY}
    make: Any = type(response)  # httpx and httpx2 have the same constructor
    copy: Response = make(response.status_code, headers=headers, content=content, request=response.request)
    return copy


def unexpected_body_error(response: Response, content: bytes) -> ZaiError:
    """Return the error for a 200 whose body is neither a stream nor JSON of this API."""
    body = _decode(content)
    error = extract_error(body)
    if error is not None:
        return stream_error(error, body, response, "with status 200")
    return APIResponseValidationError(response, body, message=_describe(content, response))


def extract_error(body: Any) -> object | None:
    """Return the `error` of a JSON body, or the body itself if it has the code and message at the top."""
    if not isinstance(body, dict):
        return None
    if error := body.get("error"):
        return cast("object", error)
    if "choices" not in body and isinstance(body.get("message") or body.get("msg"), str):
        return body
    return None


def _code_and_filter(code: str, body: object) -> str:
    """Return what follows the status; Z.ai's `contentFilter` has the role whose text was rejected."""
    content_filter = body.get("contentFilter") if isinstance(body, dict) else None
    parts = [f", code {code}"] if code else []
    if content_filter:
        parts.append(f", contentFilter {msgspec.json.encode(content_filter).decode()}")
    return "".join(parts)


def _decode(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "replace")


def _describe(content: bytes, response: Response) -> str:
    url, status = response.url, response.status_code
    text = " ".join(content[:2000].decode("utf-8", "replace").split())
    excerpt = text if len(text) <= 120 else text[:117] + "…"
    if text.startswith("<"):
        return f"{url} returned a web page: {excerpt!r}; check base_url, and proxies in between"
    if 300 <= status < 400:
        return f"{url} redirects to {response.headers.get('location')}; set base_url to that address"
    if status == 404:
        return f"{url} does not exist on this server: {excerpt!r}; check base_url"
    if not text:
        return f"{url} returned an empty body; check base_url"
    return f"{url} returned {excerpt!r}"


def _message(error: object) -> str:
    if isinstance(error, dict):
        text = error.get("message") or error.get("msg")
        return text if isinstance(text, str) else msgspec.json.encode(error).decode()
    return str(error)
