"""Fields and values of other APIs → those of Z.ai, in a request that is still plain JSON.

Clients send OpenAI's newer names, and the extensions of vLLM, Ollama and OpenRouter, to every server.
Z.ai's own fields take precedence. docs/wire.md has the table.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from headrace.wire.content_parts import translate_parts
from headrace.wire.expected import convert
from headrace.wire.history import translate_message
from headrace.wire.request import Effort

__all__ = ["ABSENT", "THINKING_TYPES", "TRANSLATED", "OtherFields", "further_variables", "translate"]

TRANSLATED: Final[Mapping[str, tuple[str, str]]] = {
    "max_completion_tokens": ("OpenAI", "`max_tokens`; if both are set, the smaller one"),
    "random_seed": ("Mistral", "`seed`"),
    "enable_thinking": ("Qwen, Ollama", "`thinking.type`"),
    "chat_template_kwargs": (
        "vLLM, SGLang",
        "`enable_thinking`, `thinking`, `clear_thinking`, `reasoning_effort`, variables of the chat template",
    ),
    "reasoning": (
        "OpenRouter",
        "`effort`: `reasoning_effort`; `enabled`: `thinking.type`; its other fields have no effect",
    ),
}
"""The translated fields: which API has them, and their meaning."""

ABSENT: Final[Mapping[str, Any]] = {
    "max_tokens": -1,  # LM Studio
    "max_completion_tokens": -1,
    "reasoning_effort": "default",  # Groq
    "user_id": "",  # bots without a user
    "request_id": "",
}
"""Values of other APIs that mean the same as null."""

THINKING_TYPES: Final = {
    **dict.fromkeys(("enabled", "enable", "true", "on", "yes", "1", "auto", "adaptive"), "enabled"),
    **dict.fromkeys(("disabled", "disable", "false", "off", "no", "0", "none"), "disabled"),
}


class TemplateVariables(msgspec.Struct):
    enable_thinking: bool | None = None  # GLM, Qwen
    thinking: bool | None = None  # DeepSeek, Kimi
    clear_thinking: bool | None = None  # GLM
    reasoning_effort: Effort | None = None


class ReasoningOptions(msgspec.Struct):
    effort: Effort | Literal["default"] | None = None
    enabled: bool | None = None


class OtherFields(msgspec.Struct):
    """The translated fields with their types."""

    max_completion_tokens: int | None = None
    random_seed: int | None = None
    enable_thinking: bool | None = None
    chat_template_kwargs: TemplateVariables = msgspec.field(default_factory=TemplateVariables)
    reasoning: ReasoningOptions = msgspec.field(default_factory=ReasoningOptions)


assert TRANSLATED.keys() == set(OtherFields.__struct_fields__)


def translate(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request with Z.ai's names and values; what is unknown stays as it is.

    Raises:
        RequestError: 1214, a translated field has the wrong type.
    """
    translated = dict(fields)
    others = {name: translated.pop(name) for name in TRANSLATED.keys() & fields.keys()}
    if others or "thinking" in translated:
        _merge(translated, convert(others, OtherFields))
    for name, translation in _TRANSLATIONS.items():
        if name in translated:
            translated[name] = translation(translated[name])
    return translated


def further_variables(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of the chat template that are not translated, of fields that `translate` took."""
    variables = fields.get("chat_template_kwargs", {})
    return {
        name: value for name, value in variables.items() if name not in TemplateVariables.__struct_fields__
    }


def _merge(translated: dict[str, Any], others: OtherFields) -> None:
    if others.max_completion_tokens is not None:
        limit = translated.setdefault("max_tokens", others.max_completion_tokens)
        if isinstance(limit, int):
            translated["max_tokens"] = min(limit, others.max_completion_tokens)
    if others.random_seed is not None:
        translated.setdefault("seed", others.random_seed)
    efforts = (others.chat_template_kwargs.reasoning_effort, others.reasoning.effort)
    if effort := next((effort for effort in efforts if effort not in (None, "default")), None):
        translated.setdefault("reasoning_effort", effort)
    if thinking := _thinking(translated.get("thinking"), others):
        translated["thinking"] = thinking


def _thinking(given: Any, others: OtherFields) -> Any:
    """Return `thinking` as an object; a value of a wrong type as it is."""
    if isinstance(given, str | bool):
        given = {"type": given}
    if not isinstance(given, dict | None):
        return given
    variables = others.chat_template_kwargs
    switches = (
        others.enable_thinking,
        variables.enable_thinking,
        variables.thinking,
        others.reasoning.enabled,
    )
    switch = next((switch for switch in switches if switch is not None), None)
    translated: dict[str, Any] = {"type": switch, "clear_thinking": variables.clear_thinking}
    thinking = {name: value for name, value in translated.items() if value is not None} | (given or {})
    if "type" in thinking:
        thinking["type"] = THINKING_TYPES.get(str(thinking["type"]).lower(), thinking["type"])
    return thinking


def _tools(tools: Any) -> Any:
    """Leave out tools that are switched off: `{"type": "web_search", "web_search": {"enable": false}}`."""
    return [tool for tool in tools if not _is_off(tool)] if isinstance(tools, list) else tools


def _is_off(tool: Any) -> bool:
    options = tool.get(str(tool.get("type"))) if isinstance(tool, dict) else None
    return isinstance(options, dict) and "enable" in options and str(options["enable"]).lower() == "false"


def _tool_choice(choice: Any) -> Any:
    if choice == "any":  # Mistral
        return "required"
    if isinstance(choice, dict) and "function" in choice:  # Hugging Face omits the type
        return {"type": "function", **choice}
    return choice


_WITH_SCHEMA: Final = ("json_schema", "json_object", None)


def _response_format(format: Any) -> Any:
    """Move the schema to where OpenAI's API has it; llama.cpp and Together have it beside the type."""
    if not isinstance(format, dict) or format.get("type") not in _WITH_SCHEMA:
        return format
    if "schema" in format and "json_schema" not in format:
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": format["schema"]}}
    return format


def _messages(messages: Any) -> Any:
    if not isinstance(messages, list):
        return messages
    return [_message(message) if isinstance(message, dict) else message for message in messages]


def _message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    translated = translate_message(message)
    parts = translated.get("content")
    return {**translated, "content": translate_parts(parts)} if isinstance(parts, list) else translated


_TRANSLATIONS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "tools": _tools,
    "tool_choice": _tool_choice,
    "response_format": _response_format,
    "messages": _messages,
}
