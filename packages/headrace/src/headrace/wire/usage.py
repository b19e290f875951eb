"""Token usage as it stands on the wire."""

from headrace.events import TokenUsage
from headrace.wire.model import WireModel

__all__ = ["CompletionTokensDetails", "PromptTokensDetails", "Usage", "usage_of"]


class PromptTokensDetails(WireModel, kw_only=True):
    """`cached_tokens`: how much of the prompt was not computed again."""

    cached_tokens: int


class CompletionTokensDetails(WireModel, kw_only=True):
    """`reasoning_tokens`: how much of the completion was thinking."""

    reasoning_tokens: int


class Usage(WireModel, kw_only=True):
    """Headrace sends every field; `completion_tokens` includes the reasoning."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


def usage_of(count: TokenUsage) -> Usage:
    """The wire's form of an engine's count."""
    return Usage(
        prompt_tokens=count.prompt,
        completion_tokens=count.completion,
        total_tokens=count.prompt + count.completion,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=count.cached),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=count.reasoning),
    )
