"""The types of the fields that other APIs have, and Z.ai's has not. `wire/translation.py` translates them."""

from typing import Literal

import msgspec

from headrace.wire.request import Effort

__all__ = ["OtherFields", "TemplateVariables"]


class TemplateVariables(msgspec.Struct):
    """`chat_template_kwargs`."""

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
