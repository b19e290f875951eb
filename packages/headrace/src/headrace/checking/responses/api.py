"""Requests and responses of the Responses API, as those of chat completions."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from headrace.checking.answer import Answer
from headrace.checking.api import Api
from headrace.checking.endpoint import Request
from headrace.checking.variants import BAD_INPUTS, BadInput

__all__ = ["RESPONSES", "TERMINAL", "items_of", "text_of"]

TERMINAL: Final = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
"""The types of last events."""

_TEXT_DELTAS: Final = {
    "response.output_text.delta": "content",
    "response.reasoning_summary_text.delta": "reasoning_content",
    "response.reasoning_text.delta": "reasoning_content",
}
_EFFORTS: Final = {"enabled": "high", "disabled": "none"}
_COMMON: Final = ("model", "temperature", "stream", "background")


def _encode(fields: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: fields[name] for name in _COMMON if name in fields}
    body["max_output_tokens"] = fields["max_tokens"]
    body["input"] = [item for message in fields["messages"] for item in _encode_message(message)]
    if tools := fields.get("tools"):
        body["tools"] = [{"type": "function", **tool["function"]} for tool in tools]
    if thinking := fields.get("thinking"):
        body["reasoning"] = {"effort": _EFFORTS[thinking["type"]], "summary": "auto"}
    if response_format := fields.get("response_format"):
        body["text"] = {"format": {"type": "json_schema", **response_format["json_schema"]}}
    return body


def _encode_message(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    if message["role"] == "tool":
        yield {
            "type": "function_call_output",
            "call_id": message["tool_call_id"],
            "output": message["content"],
        }
    elif calls := message.get("tool_calls"):
        for call in calls:
            yield {"type": "function_call", "call_id": call["id"], **call["function"]}
    else:
        yield dict(message)


def _translate(value: Any) -> dict[str, Any] | None:
    match value:
        case {"type": "response.output_item.added", "item": {"type": "function_call"} as item}:
            index = value.get("output_index", item.get("id"))
            function = {"name": item.get("name"), "arguments": ""}
            return _chunk({"tool_calls": [{"index": index, "id": item.get("call_id"), "function": function}]})
        case {"type": "response.function_call_arguments.delta", "delta": text}:
            index = value.get("output_index", value.get("item_id"))
            return _chunk({"tool_calls": [{"index": index, "function": {"arguments": text}}]})
        case {"type": str(kind), "delta": text} if kind in _TEXT_DELTAS:
            return _chunk({_TEXT_DELTAS[kind]: text})
        case {"type": str(kind), "response": dict(response)} if kind in TERMINAL:
            return _ending({}, response)
        case {"object": "response"}:
            return _ending(_message(items_of(value)), value)
    return None


def _chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def _ending(message: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    match response:
        case {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}:
            reason: Any = "length"
        case {"status": "completed"}:
            has_call = any(item.get("type") == "function_call" for item in items_of(response))
            reason = "tool_calls" if has_call else "stop"
        case _:
            reason = response.get("status")
    usage = response.get("usage")
    names = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
    counts = {names.get(name, name): n for name, n in usage.items()} if isinstance(usage, dict) else None
    return {"choices": [{"delta": message, "finish_reason": reason}], "usage": counts}


def items_of(response: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the items of the output."""
    output = response.get("output")
    return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []


def text_of(item: Mapping[str, Any]) -> str:
    """Return the text of an item: that of its parts joined, or the arguments of a call."""
    if "arguments" in item:
        return str(item["arguments"])
    parts = [
        part for name in ("summary", "content") if isinstance(item.get(name), list) for part in item[name]
    ]
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _message(items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the message of a complete answer."""

    def text(kind: str) -> str:
        return "".join(text_of(item) for item in items if item.get("type") == kind)

    calls = [
        {
            "id": item.get("call_id"),
            "function": {"name": item.get("name"), "arguments": item.get("arguments")},
        }
        for item in items
        if item.get("type") == "function_call"
    ]
    message = {"content": text("message"), "reasoning_content": text("reasoning")}
    return message | ({"tool_calls": calls} if calls else {})


def _resume(path: str, left: Answer, *, is_rest: bool) -> Request | None:
    numbers = [frame.value["sequence_number"] for frame in left.frames if _is_numbered(frame.value)]
    match left.frames[0].value if left.frames else None:
        case {"type": "response.created", "response": {"id": str(id)}} if numbers:
            after = f"&starting_after={numbers[-1]}" if is_rest else ""
            return Request(method="GET", path=f"{path}/{quote(id)}?stream=true{after}")
    return None


def _is_numbered(value: Any) -> bool:
    """Whether an event has a `sequence_number`."""
    return isinstance(value, dict) and type(value.get("sequence_number")) is int


_SAME: Final = (
    "malformed-json",
    "list-as-body",
    "temperature-as-text",
    "high-top_p",
    "tools-as-text",
    "stream-as-text",
)

RESPONSES: Final = Api(
    "responses",
    "OpenAI's Responses API",
    "/responses",
    "https://platform.openai.com/docs/api-reference/responses-streaming",
    encode=_encode,
    translate=_translate,
    variants=(
        *("plain", "plain again", "Chinese", "thinking", "no thinking", "long", "max_tokens"),
        *("tool", "two calls", "tool result", "json_schema"),
    ),
    resumable={"background": True},
    resume=_resume,
    bad_inputs={name: BAD_INPUTS[name] for name in _SAME}
    | {
        "input-as-number": BadInput("a number as input", {"input": 5}, "input"),
        "unknown-role": BadInput(
            "an unknown role", {"input": [{"role": "robot", "content": "hello"}]}, "role"
        ),
        "unknown-item": BadInput("an unknown item as input", {"input": [{"type": "robot"}]}, "type"),
        "negative-max_tokens": BadInput(
            "a negative max_output_tokens", {"max_output_tokens": -5}, "max_output_tokens"
        ),
    },
)
