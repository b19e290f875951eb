"""A message as other APIs write it → as Z.ai's API has it, still plain JSON.

A history may come from another server or client. All content of an assistant's message is kept.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

__all__ = ["OTHER_ROLES", "THINKING_PARTS", "translate_message"]

OTHER_ROLES: Final = {"developer": "system", "function": "tool"}
"""OpenAI's newest role and its oldest."""

_REASONING: Final = ("reasoning_content", "reasoning", "thinking")
"""Names of the reasoning: Z.ai's, vLLM's and OpenRouter's, Ollama's."""

THINKING_PARTS: Final = ("thinking", "reasoning")
_NO_TEXT: Final = {"type": "text", "text": ""}


def translate_message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the message with Z.ai's names and values; what is unknown stays as it is."""
    role = message.get("role")
    translated = _translate_answer(message) if role == "assistant" else dict(message)
    if isinstance(translated.get("tool_calls"), list):
        translated["tool_calls"] = [_call(call) for call in translated["tool_calls"]]
    if isinstance(role, str):
        translated["role"] = OTHER_ROLES.get(role, role)
    return translated


def _translate_answer(message: Mapping[str, Any]) -> dict[str, Any]:
    translated = dict(message)
    parts = translated.get("content")
    if isinstance(parts, list):
        translated["content"] = [_content_part(part) for part in parts]
    elif parts is None and message.get("refusal"):
        translated["content"] = message["refusal"]
    texts = [*map(message.get, _REASONING), _thought(parts)]
    if reasoning := next((text for text in texts if text and isinstance(text, str)), None):
        translated["reasoning_content"] = message.get("reasoning_content") or reasoning
    if isinstance(message.get("function_call"), dict) and not message.get("tool_calls"):
        translated["tool_calls"] = [{"function": message["function_call"]}]
    return translated


def _content_part(part: Any) -> Any:
    """Return a part as a text part. The list keeps its length, so that errors name the client's indexes."""
    match part:
        case {"type": "refusal", "refusal": text}:
            return {"type": "text", "text": text}
        case {"type": str(kind)} if kind in THINKING_PARTS:
            return _NO_TEXT
    return part


def _thought(parts: Any) -> str:
    """Return the text of parts `{"type": "thinking", "thinking": …}`, a string or text parts."""
    texts = []
    for part in parts if isinstance(parts, list) else ():
        match part:
            case {"type": str(kind)} if kind in THINKING_PARTS:
                thinking = part.get(kind) or part.get("text")
                texts += thinking if isinstance(thinking, list) else [thinking]
    return "".join(text for part in texts if isinstance(text := _text(part), str))


def _text(part: Any) -> Any:
    return part.get("text") if isinstance(part, dict) else part


def _call(call: Any) -> Any:
    """Return a call whose arguments are a string; some clients send the object itself."""
    match call:
        case {"function": {"arguments": dict(arguments)} as function}:
            return {**call, "function": {**function, "arguments": msgspec.json.encode(arguments).decode()}}
    return call
