"""Requests and responses of the Messages API, as those of chat completions."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from headrace.checking.api import Api
from headrace.checking.variants import BAD_INPUTS, BadInput

__all__ = ["MESSAGES", "STOP_REASONS"]

STOP_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "sensitive",
    "model_context_window_exceeded": "model_context_window_exceeded",
    "pause_turn": "pause_turn",
}
"""The documented stop reasons, and the finish reasons of chat completions."""

_BUDGET: Final = 1024  # of thinking, the least that Anthropic accepts; `max_tokens` includes it
_COMMON: Final = ("model", "max_tokens", "temperature", "stream")


def _encode(fields: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: fields[name] for name in _COMMON if name in fields}
    body["messages"] = [_encode_message(message) for message in fields["messages"]]
    if tools := fields.get("tools"):
        body["tools"] = [_encode_tool(tool["function"]) for tool in tools]
    if stop := fields.get("stop"):
        body["stop_sequences"] = stop
    thinking = dict(fields.get("thinking", {}))
    if thinking.get("type") == "enabled":
        thinking["budget_tokens"] = _BUDGET
        body["max_tokens"] += _BUDGET
        del body["temperature"]  # Anthropic rejects it together with thinking
    if thinking:
        body["thinking"] = thinking
    if response_format := fields.get("response_format"):
        schema = response_format["json_schema"]["schema"]
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return body


def _encode_message(message: Mapping[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        result = {"tool_use_id": message["tool_call_id"], "content": message["content"]}
        return {"role": "user", "content": [{"type": "tool_result", **result}]}
    if calls := message.get("tool_calls"):
        return {"role": "assistant", "content": [_encode_call(call) for call in calls]}
    return dict(message)


def _encode_call(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = msgspec.json.decode(call["function"]["arguments"])
    return {"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": arguments}


def _encode_tool(function: Mapping[str, Any]) -> dict[str, Any]:
    names = {"name": "name", "description": "description", "parameters": "input_schema"}
    return {names[name]: value for name, value in function.items()}


def _translate(value: Any) -> dict[str, Any] | None:
    match value:
        case {"type": "content_block_start", "index": index, "content_block": {"type": "tool_use"} as block}:
            function = {"name": block.get("name"), "arguments": ""}
            return _chunk({"tool_calls": [{"index": index, "id": block.get("id"), "function": function}]})
        case {"type": "content_block_delta", "index": index, "delta": dict(delta)}:
            return _delta(index, delta)
        case {"type": "message_delta", "delta": {"stop_reason": reason}}:
            return _ending({}, reason, value.get("usage"))
        case {"type": "message", "content": list(blocks), "stop_reason": reason}:
            return _ending(_message(blocks), reason, value.get("usage"))
    return None


def _delta(index: Any, delta: dict[str, Any]) -> dict[str, Any] | None:
    match delta:
        case {"type": "text_delta", "text": text}:
            return _chunk({"content": text})
        case {"type": "thinking_delta", "thinking": text}:
            return _chunk({"reasoning_content": text})
        case {"type": "input_json_delta", "partial_json": text}:
            return _chunk({"tool_calls": [{"index": index, "function": {"arguments": text}}]})
    return None


def _chunk(delta: dict[str, Any]) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta}]}


def _ending(message: dict[str, Any], reason: Any, usage: Any) -> dict[str, Any]:
    choice = {"delta": message, "finish_reason": STOP_REASONS.get(str(reason), reason)}
    tokens = usage.get("output_tokens") if isinstance(usage, dict) else None
    return {"choices": [choice], "usage": {"completion_tokens": tokens}}


def _message(blocks: list[Any]) -> dict[str, Any]:
    """Return the message of a complete answer; each kind of its texts joined."""

    def texts(kind: str) -> Iterator[str]:
        return (
            str(block.get(kind)) for block in blocks if isinstance(block, dict) and block.get("type") == kind
        )

    calls = [
        {
            "id": block.get("id"),
            "function": {"name": block.get("name"), "arguments": _compact(block.get("input"))},
        }
        for block in blocks
        if isinstance(block, dict) and block.get("type") == "tool_use"
    ]
    message = {"content": "".join(texts("text")), "reasoning_content": "".join(texts("thinking"))}
    return message | ({"tool_calls": calls} if calls else {})


def _compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()


MESSAGES: Final = Api(
    "messages",
    "Anthropic's Messages API",
    "/messages",
    "https://platform.claude.com/docs/en/build-with-claude/streaming",
    encode=_encode,
    translate=_translate,
    variants=(
        *("plain", "plain again", "Chinese", "thinking", "no thinking", "long", "max_tokens", "stop"),
        *("tool", "two calls", "tool result", "json_schema"),
    ),
    headers={"anthropic-version": "2023-06-01"},
    bad_inputs={
        **{name: bad for name, bad in BAD_INPUTS.items() if name != "high-top_p"},
        "no-max_tokens": BadInput("no max_tokens", {"max_tokens": None}, "max_tokens"),
    },
)
