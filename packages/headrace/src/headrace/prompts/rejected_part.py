"""Finds the part of a request that a chat template rejects, by rendering the request without it."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Final

from msgspec.structs import replace

from headrace.wire.request import ChatRequest, Thinking

__all__ = ["rejected_part"]

IsRejected = Callable[[ChatRequest], bool]
_FIELDS_OF_MESSAGE: Final = ("tool_calls", "reasoning_content", "name")


def rejected_part(request: ChatRequest, is_rejected: IsRejected) -> str:
    """Return the path of the field, such as `messages[2]`; "messages" if no part is to blame.

    Args:
        request: one that is rejected.
        is_rejected: whether a request is rejected for the same reason. It is called a few dozen times.
    """
    for path, without in _without_a_field(request):
        if not is_rejected(without):
            return path
    tools, messages = request.tools, request.messages
    if tools and not is_rejected(replace(request, tools=[])):
        index = _first(len(tools), lambda n: is_rejected(replace(request, tools=tools[:n])))
        return f"tools[{index}]"
    if is_rejected(replace(request, messages=[])):
        return "messages"
    index = _first(len(messages), lambda n: is_rejected(replace(request, messages=messages[:n])))
    path, before, message = f"messages[{index}]", messages[:index], messages[index]
    for name in _FIELDS_OF_MESSAGE:
        without = replace(request, messages=[*before, replace(message, **{name: None})])
        if getattr(message, name) and not is_rejected(without):
            return f"{path}.{name}"
    return path


def _without_a_field(request: ChatRequest) -> Iterator[tuple[str, ChatRequest]]:
    for name in request.template_variables:
        others = {key: value for key, value in request.template_variables.items() if key != name}
        yield f"chat_template_kwargs.{name}", replace(request, template_variables=others)
    if request.reasoning_effort:
        yield "reasoning_effort", replace(request, reasoning_effort=None)
    if request.thinking.type == "disabled":
        yield "thinking.type", replace(request, thinking=Thinking())


def _first(length: int, is_rejected: Callable[[int], bool]) -> int:
    """Return the index of the first item with which the items up to it are rejected, by bisection."""
    return min(bisect_left(range(1, length + 1), x=True, key=is_rejected), length - 1)
