"""The arguments of a chat request, declared once for every method that takes them."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Required, TypeVar, get_type_hints
from urllib.parse import quote

from headrace.wire.completion import Message
from zai.arguments import NOT_GIVEN, NotGiven
from zai.errors import ZaiError
from zai.http.base_client import BaseClient
from zai.http.deadlines import StreamTimeout
from zai.http.request import Request, RequestOptions
from zai.http_library import ClientT

__all__ = ["ChatParams", "ToolRunParams", "accepts_chat_params", "chat_request", "task_path"]


class _Common(RequestOptions, total=False):
    request_id: str | NotGiven | None
    user_id: str | NotGiven | None
    do_sample: bool | NotGiven | None
    temperature: float | NotGiven | None
    top_p: float | NotGiven | None
    max_tokens: int | NotGiven | None
    seed: int | NotGiven | None
    stop: str | Sequence[str] | NotGiven | None
    sensitive_word_check: Mapping[str, Any] | NotGiven | None
    tool_choice: str | Mapping[str, Any] | NotGiven | None
    meta: Mapping[str, str] | NotGiven | None
    extra: Mapping[str, Any] | NotGiven | None
    response_format: Mapping[str, Any] | NotGiven | None
    thinking: Mapping[str, Any] | NotGiven | None
    watermark_enabled: bool | NotGiven | None
    tool_stream: bool | NotGiven | None
    reasoning_effort: str | NotGiven | None
    stream_options: Mapping[str, Any] | NotGiven | None
    stream_timeout: StreamTimeout | None


class ChatParams(_Common, total=False):
    """zai-sdk's arguments; others are sent unchecked, like those in `extra_body`."""

    model: Required[str]
    messages: Required[Sequence[Mapping[str, Any] | Message]]
    tools: Sequence[Mapping[str, Any]] | NotGiven | None


class ToolRunParams(_Common, total=False):
    """The same arguments, without those that a tool loop sets."""

    model: Required[str]


_Function = TypeVar("_Function", bound=Callable[..., Any])

_OPTIONS: Final = ("extra_headers", "extra_body", "timeout", "stream_timeout")


_PARAMETERS: Final = [
    inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if name in ChatParams.__required_keys__ else NOT_GIVEN,
        annotation=annotation,
    )
    for name, annotation in get_type_hints(ChatParams).items()
]


def accepts_chat_params(create: _Function) -> _Function:
    """Give a function the signature that its `**params` stand for, which programs inspect."""
    *own, others = inspect.signature(create).parameters.values()
    parameters = [*own, *_PARAMETERS, others.replace(annotation=Any)]
    vars(create)["__signature__"] = inspect.Signature(parameters)
    return create


def chat_request(
    client: BaseClient[ClientT],
    params: Mapping[str, Any],
    *,
    path: str = "/chat/completions",
    stream: object = None,
) -> Request:
    """Build the request for a chat; the caller's objects are not modified, and nothing is clamped.

    Raises:
        TypeError: `model` or `messages` is missing.
    """
    if missing := sorted(ChatParams.__required_keys__ - params.keys()):
        msg = f"missing required keyword arguments: {', '.join(missing)}"
        raise TypeError(msg)
    options = {name: params[name] for name in _OPTIONS if name in params}
    fields = {name: value for name, value in params.items() if name not in _OPTIONS}
    return client.request("POST", path, {**fields, "stream": stream}, stream=bool(stream), **options)


def task_path(task_id: str) -> str:
    """Return the path of a task's result."""
    if not task_id:
        msg = f"id is {task_id!r}; it must be a task's id"
        raise ZaiError(msg)
    return f"/async-result/{quote(task_id, safe='')}"
