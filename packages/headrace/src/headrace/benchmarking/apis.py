"""The APIs that can be measured: how a request is encoded, and what an event of the response contains."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["APIS", "Api", "Message", "Part"]

Message = dict[str, Any]
"""A message of chat completions; its `content` is text."""


class Part(NamedTuple):
    """What an event contains."""

    kinds: tuple[str, ...] = ()
    """`delta` if it has output; then `thinking`, `answer` and `argument`, if it has text of that kind."""
    size: int = 0
    """Characters of these texts."""
    finish: str = ""
    """The finish reason, in the words of the API."""
    counts: Mapping[str, Any] = {}
    """Of the usage: `prompt_tokens`, `output_tokens`, `cached_tokens`, `reasoning_tokens`."""
    error: Any = None
    is_end: bool = False
    """The event is the last one of a complete stream."""


_NOTHING: Final = Part()


class Api(NamedTuple):
    """An API: its path below the base URL, the encoding of its requests, the decoding of its events."""

    path: str
    encode: Callable[[list[Message], int], dict[str, Any]]
    """Messages and the limit of tokens → the fields of the request besides `model` and `stream`."""
    read: Callable[[dict[str, Any]], Part]
    headers: Mapping[str, str] = {}


def _encode_chat(messages: list[Message], max_tokens: int) -> dict[str, Any]:
    return {"messages": messages, "max_tokens": max_tokens, "stream_options": {"include_usage": True}}


def _read_chat(chunk: dict[str, Any]) -> Part:
    kinds: tuple[str, ...] = ()
    size, finish = 0, ""
    for choice in _objects(chunk.get("choices")):
        finish = finish or str(choice.get("finish_reason") or "")
        found = _read_delta(_object(choice.get("delta")))
        kinds, size = kinds + found.kinds, size + found.size
    return Part(kinds, size, finish, _chat_counts(_object(chunk.get("usage"))), chunk.get("error"))


def _read_delta(delta: dict[str, Any]) -> Part:
    calls, details = _objects(delta.get("tool_calls")), _objects(delta.get("reasoning_details"))
    thinking = delta.get("reasoning_content") or delta.get("reasoning")
    return _output(
        ("thinking", thinking or [detail["text"] for detail in details if detail.get("text")]),
        ("answer", delta.get("content") or delta.get("refusal")),
        *(("argument", _object(call.get("function")).get("arguments")) for call in calls),
        is_call=bool(calls),
    )


def _chat_counts(usage: dict[str, Any]) -> dict[str, Any]:
    prompt, output = _object(usage.get("prompt_tokens_details")), usage.get("completion_tokens_details")
    return usage and {
        "prompt_tokens": usage.get("prompt_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "cached_tokens": prompt.get("cached_tokens"),
        "reasoning_tokens": _object(output).get("reasoning_tokens"),
    }


def _encode_messages(messages: list[Message], max_tokens: int) -> dict[str, Any]:
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    others = [message for message in messages if message["role"] != "system"]
    return {"messages": others, "max_tokens": max_tokens} | ({"system": system} if system else {})


_MESSAGES_KINDS: Final = {"thinking": "thinking", "text": "answer", "partial_json": "argument"}


def _read_messages(event: dict[str, Any]) -> Part:
    match event.get("type"):
        case "content_block_start":
            return _output(is_call=_object(event.get("content_block")).get("type") == "tool_use")
        case "content_block_delta":
            delta = _object(event.get("delta"))
            return _output(*((kind, delta.get(field)) for field, kind in _MESSAGES_KINDS.items()))
        case "message_start":
            return Part(counts=_messages_counts(_object(event.get("message"))))
        case "message_delta":
            reason = _object(event.get("delta")).get("stop_reason")
            return Part(finish=str(reason or ""), counts=_messages_counts(event))
        case "message_stop":
            return Part(is_end=True)
    return Part(error=event.get("error"))


def _messages_counts(event: dict[str, Any]) -> dict[str, Any]:
    """Return the counts; prompt tokens that are read from a cache, or written to one, are counted apart."""
    usage = _object(event.get("usage"))
    counts: dict[str, Any] = {}
    if "input_tokens" in usage:
        names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        parts = [usage.get(name) or 0 for name in names]
        is_count = all(type(part) is int for part in parts)
        counts = {
            "prompt_tokens": sum(parts) if is_count else None,
            "cached_tokens": usage.get("cache_read_input_tokens"),
        }
    return counts | ({"output_tokens": usage["output_tokens"]} if "output_tokens" in usage else {})


def _encode_responses(messages: list[Message], max_tokens: int) -> dict[str, Any]:
    return {"input": messages, "max_output_tokens": max_tokens}


_RESPONSES_KINDS: Final = {
    "response.output_text.delta": "answer",
    "response.refusal.delta": "answer",
    "response.reasoning_text.delta": "thinking",
    "response.reasoning_summary_text.delta": "thinking",
    "response.function_call_arguments.delta": "argument",
}


def _read_responses(event: dict[str, Any]) -> Part:
    match event.get("type"):
        case str(name) if name in _RESPONSES_KINDS:
            return _output((_RESPONSES_KINDS[name], event.get("delta")))
        case "response.output_item.added":
            return _output(is_call=_object(event.get("item")).get("type") == "function_call")
        case "response.completed" | "response.incomplete" as name:
            usage = _object(_object(event.get("response")).get("usage"))
            counts = usage and {
                "prompt_tokens": usage.get("input_tokens"),
                "output_tokens": usage.get("output_tokens"),
                "cached_tokens": _object(usage.get("input_tokens_details")).get("cached_tokens"),
                "reasoning_tokens": _object(usage.get("output_tokens_details")).get("reasoning_tokens"),
            }
            return Part(finish=name.removeprefix("response."), counts=counts, is_end=True)
        case "response.failed":
            return Part(error=_object(event.get("response")).get("error") or "failed")
        case "error":
            return Part(error=event)
    return Part(error=event.get("error"))


def _output(*texts: tuple[str, Any], is_call: bool = False) -> Part:
    """Return the part that has texts of these kinds, if they are not empty, or begins a call."""
    present = [(kind, text) for kind, text in texts if text]
    if not present and not is_call:
        return _NOTHING
    size = sum(len(text) for _, text in present if isinstance(text, str))
    return Part(("delta", *(kind for kind, _ in present)), size)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


APIS: Final[dict[str, Api]] = {
    "chat": Api("/chat/completions", _encode_chat, _read_chat),
    "messages": Api("/messages", _encode_messages, _read_messages, {"anthropic-version": "2023-06-01"}),
    "responses": Api("/responses", _encode_responses, _read_responses),
}
"""By the value of `--api`."""
