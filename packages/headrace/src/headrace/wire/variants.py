"""Answers in the variants of other servers → Z.ai's fields, as plain JSON. Other fields are kept as they are.

- Mistral: content as a list of parts, which include the thinking
- Perplexity: an empty `delta` beside a whole `message`
- MiniMax: a last chunk whose `message` repeats the deltas; errors in `base_resp`
- OpenRouter: `native_finish_reason`, `reasoning_details`
- Groq: usage and errors in `x_groq`. Moonshot: usage in the choice
- Workers AI: content as an object. Envoy: reasoning as an object
- several: an error whose fields have no `error` around them
- OpenAI: the `function_call` of 2023, and calls of custom tools
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

__all__ = ["standardize_chunk", "standardize_completion"]

_LIMITS: Final = ("length", "max_tokens", "max_output_tokens")
_THINKING: Final = ("thinking", "reasoning")
_TEXTS: Final = ("text", "thinking", "reasoning", "summary", "content", "refusal")
_MESSAGES: Final = ("message", "msg", "detail")


def standardize_chunk(chunk: dict[str, Any], *, has_output: bool) -> None:
    """Convert a chunk in place; its deltas are standard then.

    Args:
        chunk: as decoded.
        has_output: whether an earlier chunk had output, which a whole message repeats.
    """
    for choice in _choices(chunk):
        if choice.get("index") == "0":
            choice["index"] = 0
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(message, dict) and not (isinstance(delta, dict) and _has_output(delta)):
            delta = choice["delta"] = {} if has_output else message
        if isinstance(delta, dict):
            _standardize_message(delta)
        if str(choice.get("native_finish_reason")).lower() in _LIMITS and choice.get("finish_reason"):
            choice["finish_reason"] = "length"
        if not chunk.get("usage") and choice.get("usage"):
            chunk["usage"] = choice["usage"]
    groq, minimax = chunk.get("x_groq"), chunk.get("base_resp")
    if isinstance(groq, dict) and groq.get("usage") and not chunk.get("usage"):
        chunk["usage"] = groq["usage"]
    if chunk.get("error"):
        return
    if isinstance(groq, dict) and groq.get("error"):
        chunk["error"] = groq["error"]
    elif isinstance(minimax, dict) and minimax.get("status_code"):
        chunk["error"] = {"message": minimax.get("status_msg")}
    elif chunk.get("choices") is None and any(isinstance(chunk.get(name), str) for name in _MESSAGES):
        chunk["error"] = {**chunk}


def standardize_completion(completion: dict[str, Any]) -> None:
    """Convert a completion in place."""
    for choice in _choices(completion):
        if isinstance(message := choice.get("message"), dict):
            _standardize_message(message)


def _choices(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = answer.get("choices")
    if isinstance(choices, list):
        yield from (choice for choice in choices if isinstance(choice, dict))


def _has_output(message: dict[str, Any]) -> bool:
    return any(value for name, value in message.items() if name != "role")


def _standardize_message(message: dict[str, Any]) -> None:
    """Convert a delta or a message."""
    content, thoughts = message.get("content"), []
    if isinstance(content, list):
        thoughts = [part for part in content if isinstance(part, dict) and part.get("type") in _THINKING]
        message["content"] = _text([part for part in content if part not in thoughts])
    elif isinstance(content, dict):
        message["content"] = _text(content) if "type" in content else msgspec.json.encode(content).decode()
    others = (message.get(name) for name in ("reasoning_content", "reasoning", "reasoning_details"))
    found = [item for item in (thoughts, *others) if item]
    if found:
        message["reasoning_content"] = next(filter(None, map(_flat, found)), None)
    call = message.get("function_call")
    if isinstance(call, dict) and any(call.values()) and not message.get("tool_calls"):
        message["tool_calls"] = [{"function": call}]
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict) and isinstance(custom := call.get("custom"), dict):
            call["function"] = {"name": custom.get("name"), "arguments": custom.get("input")}


def _flat(value: Any) -> Any:
    return _text(value) if isinstance(value, list | dict) else value


def _text(value: Any) -> str:
    """Join the texts of a part, however nested."""
    if isinstance(value, list):
        return "".join(map(_text, value))
    if isinstance(value, dict):
        return next((_text(value[name]) for name in _TEXTS if value.get(name)), "")
    return value if isinstance(value, str) else ""
