"""Messages of a request → messages of a chat template, in the shape that the template expects."""

from collections.abc import Callable
from typing import Any

import msgspec

from headrace.wire.request import RequestMessage

__all__ = ["Shape", "template_message"]


class Shape(msgspec.Struct, frozen=True):
    """How a chat template expects what templates do not agree on.

    Args:
        arguments_as_text: the arguments of a call are the text that was sent, not an object.
        null_content: the content of a message with nothing but calls is null, not "".
        parts: a content is a list of parts, not a text.
        reasoning: name of the field of an earlier answer's reasoning.
        result_role: role of a tool's result.
        one_text: a message with calls has content or reasoning, not both.
    """

    arguments_as_text: bool = False
    null_content: bool = False
    parts: bool = False
    reasoning: str = "reasoning_content"
    result_role: str = "tool"
    one_text: bool = False


def template_message(
    message: RequestMessage, shape: Shape, escape: Callable[[str], str] = str
) -> dict[str, Any]:
    """Convert a message.

    Args:
        message: of the request.
        shape: the one that the template expects.
        escape: for what users and tools have written.
    """
    text, reasoning = message.text, message.reasoning_content or ""
    if message.role in ("user", "tool"):
        text = escape(text)
    if shape.one_text and message.tool_calls and text and reasoning:
        text, reasoning = "", f"{reasoning}\n\n{text}"
    plain: dict[str, Any] = {
        "role": shape.result_role if message.role == "tool" else message.role,
        "content": _content(text, shape, has_calls=bool(message.tool_calls)),
    }
    if reasoning:
        plain[shape.reasoning] = reasoning
    if message.tool_calls:
        plain["tool_calls"] = [
            {
                "id": call.id,
                "type": call.type,
                "function": {
                    "name": call.function.name,
                    "arguments": call.function.arguments if shape.arguments_as_text else call.function.parsed,
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    if message.name:
        plain["name"] = escape(message.name)
    return plain


def _content(text: str, shape: Shape, *, has_calls: bool) -> Any:
    if not text and has_calls and shape.null_content:
        return None
    if shape.parts:
        return [{"type": "text", "text": text}] if text else []
    return text
