"""A whole response → the struct that it says, or the error that it is."""

from typing import Any, TypeVar

from msgspec import structs

from headrace.errors import DecodeError
from headrace.wire.decode import decode_model
from headrace.wire.model import WireModel
from zai.error_body import unexpected_body_error
from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus

__all__ = ["decode_response", "decode_task_result"]

_Model = TypeVar("_Model", bound=WireModel)


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
