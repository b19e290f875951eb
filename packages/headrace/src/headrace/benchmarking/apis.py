"""The APIs that can be measured: how a request is encoded, and what an event of the response contains."""

from collections.abc import Callable, Mapping, Sequence
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


_Text = tuple[str, Any]
"""A kind, and a text that may be empty or of a wrong type."""


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
    texts: list[_Text] = []
    finish, has_call = "", False
    for choice in _objects(chunk.get("choices")):
        finish = finish or str(choice.get("finish_reason") or "")
        delta = _object(choice.get("delta"))
        if thinking := delta.get("reasoning_content") or delta.get("reasoning"):
            texts.append(("thinking", thinking))
        elif details := delta.get("reasoning_details"):
            texts += [("thinking", detail.get("text")) for detail in _objects(details)]
        if answer := delta.get("content") or delta.get("refusal"):
            texts.append(("answer", answer))
        if calls := delta.get("tool_calls"):
            functions = [_object(call.get("function")) for call in _objects(calls)]
            texts += [("argument", function.get("arguments")) for function in functions]
            has_call |= bool(functions)
    kinds, size = _measure(texts, has_call=has_call)
    usage = chunk.get("usage")
    return Part(kinds, size, finish, _chat_counts(usage) if usage else {}, chunk.get("error"))


def _chat_counts(usage: Any) -> dict[str, Any]:
    counts = _object(usage)
    return counts and {
        "prompt_tokens": counts.get("prompt_tokens"),
        "output_tokens": counts.get("completion_tokens"),
        "cached_tokens": _object(counts.get("prompt_tokens_details")).get("cached_tokens"),
        "reasoning_tokens": _object(counts.get("completion_tokens_details")).get("reasoning_tokens"),
    }


def _encode_messages(messages: list[Message], max_tokens: int) -> dict[str, Any]:
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    others = [message for message in messages if message["role"] != "system"]
    return {"messages": others, "max_tokens": max_tokens} | ({"system": system} if system else {})


_MESSAGES_KINDS: Final = {"thinking": "thinking", "text": "answer", "partial_json": "argument"}


def _read_messages(event: dict[str, Any]) -> Part:
    match event.get("type"):
        case "content_block_start":
            return _output(has_call=_object(event.get("content_block")).get("type") == "tool_use")
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
            return _output(has_call=_object(event.get("item")).get("type") == "function_call")
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


def _output(*texts: _Text, has_call: bool = False) -> Part:
    """Return the part that has these texts, if they are not empty, or begins a call."""
    return Part(*_measure(texts, has_call=has_call))


def _measure(texts: Sequence[_Text], *, has_call: bool) -> tuple[tuple[str, ...], int]:
    """Return `kinds` and `size` of a part."""
    size = 0
    kinds = ["delta"]
    for kind, text in texts:
        if text:
            kinds.append(kind)
            size += len(text) if isinstance(text, str) else 0
    return (tuple(kinds), size) if len(kinds) > 1 or has_call else ((), 0)


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
