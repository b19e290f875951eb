"""Messages and tools of a request → those of a chat template, in the shape that the template expects."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from headrace.prompts.described_tools import describe_tools
from headrace.wire.request import ImagePart, RequestMessage, RequestToolCall, TextPart

__all__ = ["Shape", "template_input", "template_messages", "with_system_first"]


class Shape(msgspec.Struct, frozen=True):
    """How a chat template expects what templates do not agree on.

    Args:
        arguments_as_text: the arguments of a call are the text that was sent, not an object.
        null_content: the content of a message with nothing but calls is null, not "".
        parts: a content is a list of parts, not a text.
        reasoning: name of the field of an earlier answer's reasoning.
        result_role: role of a tool's result.
        result_name: the result has the function's name, even if the request leaves it out.
        calls: calls are a field of a message, or each is a message with the function's name as `metadata` and
            the arguments as its content, as for GLM-4.
        tools_in_message: the tools are a field of a system message before all others, as for GLM-4-9B.
        one_text: a message with calls has content or reasoning, not both.
        system_first: there is one system message at most, before all others.
        complete_tools: every tool has a description, and parameters with properties.
        described_tools: role of the message that describes the tools, if the template has no place for tools,
            calls and results; "" if it has.
    """

    arguments_as_text: bool = False
    null_content: bool = False
    parts: bool = False
    reasoning: str = "reasoning_content"
    result_role: str = "tool"
    result_name: bool = False
    calls: Literal["tool_calls", "metadata"] = "tool_calls"
    tools_in_message: bool = False
    one_text: bool = False
    system_first: bool = False
    complete_tools: bool = False
    described_tools: Literal["", "system", "user"] = ""


_NO_PARAMETERS: Final = {"type": "object", "properties": {}}


def template_input(
    messages: Iterable[RequestMessage],
    tools: Sequence[dict[str, Any]],
    shape: Shape,
    escape: Callable[[str], str] = str,
) -> tuple[list[dict[str, Any]], Sequence[dict[str, Any]]]:
    """Convert the messages and the tools of a request, both for the template."""
    complete = [_complete(tool) for tool in tools] if shape.complete_tools else tools
    converted = template_messages(messages, shape, escape, complete)
    return converted, () if shape.described_tools else complete


def template_messages(
    messages: Iterable[RequestMessage],
    shape: Shape,
    escape: Callable[[str], str] = str,
    tools: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Convert messages.

    Args:
        messages: of the request.
        shape: the one that the template expects.
        escape: for what users and tools have written.
        tools: for a shape that has them in a message.
    """
    if shape.system_first:
        messages = with_system_first(messages)
    if shape.described_tools:
        messages = describe_tools(messages, tools, shape.described_tools)
    converted: list[dict[str, Any]] = []
    if tools and shape.tools_in_message:
        converted.append({"role": "system", "content": "", "tools": tools})
    names: dict[str, str] = {}
    for message in messages:
        names |= {call.id: call.function.name for call in message.tool_calls or ()}
        if shape.result_name and message.role == "tool" and not message.name:
            name = names.get(message.tool_call_id or "")
            message = msgspec.structs.replace(message, name=name)  # noqa: PLW2901
        converted += _converted(message, shape, escape)
    return converted


def with_system_first(messages: Iterable[RequestMessage]) -> list[RequestMessage]:
    """Join the first system messages. Later ones become the user's, joined with those beside them."""
    moved: list[RequestMessage] = []
    was_system = has_begun = False
    for message in messages:
        is_system = message.role == "system"
        has_begun |= not is_system
        sent = msgspec.structs.replace(message, role="user") if is_system and has_begun else message
        if moved and moved[-1].role == sent.role and (is_system or was_system):
            moved[-1] = _joined(moved[-1], sent)
        else:
            moved.append(sent)
        was_system = is_system
    return moved


def _joined(first: RequestMessage, second: RequestMessage) -> RequestMessage:
    text = "\n\n".join(filter(None, (first.text, second.text)))
    contents = (message.content for message in (first, second) if isinstance(message.content, list))
    images = [part for content in contents for part in content if isinstance(part, ImagePart)]
    return msgspec.structs.replace(first, content=[TextPart(text), *images] if images else text)


def _complete(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool["function"]
    parameters = function.get("parameters") or {}
    missing = {key: value for key, value in _NO_PARAMETERS.items() if not parameters.get(key)}
    described = {"description": function.get("description") or "", "parameters": parameters | missing}
    return {**tool, "function": function | described}


def _converted(
    message: RequestMessage, shape: Shape, escape: Callable[[str], str]
) -> Iterator[dict[str, Any]]:
    text, reasoning, calls = message.text, message.reasoning_content or "", message.tool_calls or []
    if message.role in ("user", "tool"):
        text = escape(text)
    if shape.one_text and calls and text and reasoning:
        text, reasoning = "", f"{reasoning}\n\n{text}"
    plain: dict[str, Any] = {"role": shape.result_role if message.role == "tool" else message.role}
    plain["content"] = _content(text, shape, has_calls=bool(calls))
    if reasoning:
        plain[shape.reasoning] = reasoning
    if calls and shape.calls == "tool_calls":
        plain["tool_calls"] = [_call(call, shape) for call in calls]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    if message.name:
        plain["name"] = escape(message.name)
    if shape.calls == "tool_calls" or text or not calls:
        yield plain
    if shape.calls == "metadata":
        for call in calls:
            name, arguments = call.function.name, call.function.arguments
            yield {"role": "assistant", "metadata": name, "content": arguments}


def _call(call: RequestToolCall, shape: Shape) -> dict[str, Any]:
    arguments = call.function.arguments if shape.arguments_as_text else call.function.parsed
    return {
        "id": call.id,
        "type": call.type,
        "function": {"name": call.function.name, "arguments": arguments},
    }


def _content(text: str, shape: Shape, *, has_calls: bool) -> Any:
    if not text and has_calls and shape.null_content:
        return None
    if shape.parts:
        return [{"type": "text", "text": text}] if text or not has_calls else []
    return text
