"""One chunk of a streamed completion: the JSON after `data:`. Fields are in the order of Z.ai's.

Z.ai and Headrace always send the fields whose type does not include `None`. A non-conforming peer may
omit them nevertheless; they are None then (see `wire/decode.py`).
"""

from typing import Any, ClassVar

import msgspec

from headrace.events import TokenUsage
from headrace.wire.model import WireModel

__all__ = [
    "Chunk",
    "ChunkChoice",
    "CompletionTokensDetails",
    "Delta",
    "FunctionDelta",
    "PromptTokensDetails",
    "ToolCallDelta",
    "Usage",
    "text_of",
    "usage_of",
]


class PromptTokensDetails(WireModel, kw_only=True):
    """`cached_tokens`: prompt tokens that came from a cache."""

    cached_tokens: int


class CompletionTokensDetails(WireModel, kw_only=True):
    """`reasoning_tokens`: completion tokens that were reasoning."""

    reasoning_tokens: int


class Usage(WireModel, kw_only=True):
    """Token counts. Headrace sends every field; `completion_tokens` includes the reasoning."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails | None = None
    completion_tokens_details: CompletionTokensDetails | None = None


def usage_of(count: TokenUsage) -> Usage:
    """Convert an engine's token counts."""
    return Usage(
        prompt_tokens=count.prompt,
        completion_tokens=count.completion,
        total_tokens=count.prompt + count.completion,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=count.cached),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=count.reasoning),
    )


class FunctionDelta(WireModel, kw_only=True):
    """`name` is in the first delta of a call only; `arguments` are fragments of JSON text."""

    name: str | None = None
    arguments: str


class ToolCallDelta(WireModel, kw_only=True):
    """A fragment of call number `index`; `id` is in the first one only."""

    id: str | None = None
    index: int
    type: str | None = None
    function: FunctionDelta


class Delta(WireModel, kw_only=True):
    """New output since the previous chunk."""

    other_fields: ClassVar = frozenset({"refusal"})

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    audio: Any = None


class ChunkChoice(WireModel, kw_only=True):
    """One choice of a chunk; `finish_reason` is absent until the last chunk."""

    other_fields: ClassVar = frozenset({"logprobs"})

    index: int
    finish_reason: str | None = None
    delta: Delta
    logprobs: Any = None


class Chunk(WireModel, kw_only=True):
    """`id`, `created` (seconds) and `model` are the same in every chunk; `usage` is in the last one."""

    other_fields: ClassVar = frozenset({"object", "request_id", "system_fingerprint"})

    id: str | None = None
    created: int | None = None
    object: str | None = None
    model: str | None = None
    choices: list[ChunkChoice]
    usage: Usage | None = None
    request_id: str | None = None
    system_fingerprint: str | None = None
    extra_json: Any = None


def text_of(value: Any) -> str:
    """Return text as it is; encode any other value, which only a non-conforming peer sends, as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
