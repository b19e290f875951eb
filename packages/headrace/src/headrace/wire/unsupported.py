"""Fields that are rejected because they would change the answer, and fields that have no effect on it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from headrace.errors import RequestError
from headrace.wire.expected import show

__all__ = ["REJECTED", "WITHOUT_EFFECT", "Rejected", "check_supported"]


class Rejected(NamedTuple):
    """A field that is not supported.

    Args:
        api: which API has it.
        instead: what to do.
        allowed: values that request nothing.
    """

    api: str
    instead: str
    allowed: tuple[Any, ...] = ()


_SCHEMA: Final = "use response_format with a json_schema"

REJECTED: Final[Mapping[str, Rejected]] = {
    "n": Rejected("OpenAI", "an answer has one choice; send several requests", (1,)),
    "logprobs": Rejected("OpenAI", "remove it", (False,)),
    "top_logprobs": Rejected("OpenAI", "remove it", (0,)),
    "functions": Rejected("OpenAI", "use tools", ([],)),
    "function_call": Rejected("OpenAI", "use tool_choice", ("auto", "none")),
    "audio": Rejected("OpenAI", "answers are text only"),
    "modalities": Rejected("OpenAI", "answers are text only", ([], ["text"])),
    "web_search_options": Rejected("OpenAI", "use a function tool that searches"),
    "grammar": Rejected("llama.cpp", _SCHEMA, ("",)),
    "json_schema": Rejected("llama.cpp", _SCHEMA),
    "guided_json": Rejected("vLLM", _SCHEMA),
    "guided_regex": Rejected("vLLM", _SCHEMA),
    "guided_choice": Rejected("vLLM", _SCHEMA),
    "guided_grammar": Rejected("vLLM", _SCHEMA),
    "structured_outputs": Rejected("vLLM", _SCHEMA),
    "ebnf": Rejected("SGLang", _SCHEMA),
    "regex": Rejected("SGLang", _SCHEMA),
}
"""Fields that are rejected with code 1212."""

_BILLING: Final = "storage, billing and monitoring of OpenAI's service"
_CACHE: Final = "prompts are cached without it"

WITHOUT_EFFECT: Final[Mapping[str, tuple[str, str]]] = {
    "include_reasoning": ("OpenRouter", "the reasoning is always a separate field"),
    "metadata": ("OpenAI", _BILLING),
    "moderation": ("OpenAI", _BILLING),
    "prediction": ("OpenAI", "may speed up OpenAI's service; the answer is the same"),
    "prompt_cache_key": ("OpenAI", _CACHE),
    "prompt_cache_options": ("OpenAI", _CACHE),
    "prompt_cache_retention": ("OpenAI", _CACHE),
    "safety_identifier": ("OpenAI", _BILLING),
    "service_tier": ("OpenAI", _BILLING),
    "store": ("OpenAI", _BILLING),
    "verbosity": ("OpenAI", "only for GPT-5 models"),
    "stream_options": ("OpenAI", "every stream has the usage"),
    "user": ("OpenAI", "an id of the caller's user, for monitoring"),
    "extra": ("Z.ai", "only for CodeGeeX models"),
    "meta": ("Z.ai", "only for CharGLM models"),
    "sensitive_word_check": ("Z.ai", "a filter of Z.ai's service"),
    "watermark_enabled": ("Z.ai", "only for models that generate images"),
}
"""Fields that are accepted without effect, and why that is right."""


def check_supported(fields: Mapping[str, Any]) -> None:
    """Reject a field that would change the answer and is not supported.

    Raises:
        RequestError: 1212.
    """
    if REJECTED.keys().isdisjoint(fields):  # as usual
        return
    for name, rejected in REJECTED.items():
        if name in fields and not any(_is_same(fields[name], value) for value in rejected.allowed):
            msg = f"{name} is {show(fields[name])}, which is not supported here; {rejected.instead}"
            raise RequestError(msg, code="1212")


def _is_same(value: Any, other: Any) -> bool:
    """Compare as JSON does, where true is not 1."""
    return value == other and isinstance(value, bool) is isinstance(other, bool)
