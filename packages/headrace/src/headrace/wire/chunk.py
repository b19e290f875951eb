"""One piece of a streamed answer: `data: {…}`. Fields stand in the order in which Z.ai sends them.

A field without `None` in its type is one that Z.ai and Headrace always send. From an odd peer it may
be None nevertheless (see `wire/decode.py`).
"""

from typing import Any

from headrace.wire.model import WireModel
from headrace.wire.usage import Usage

__all__ = ["Chunk", "ChunkChoice", "Delta", "FunctionDelta", "ToolCallDelta"]


class FunctionDelta(WireModel, kw_only=True):
    """`name` comes once, in the first delta of a call; `arguments` are pieces to be joined."""

    name: str | None = None
    arguments: str


class ToolCallDelta(WireModel, kw_only=True):
    """A piece of the call number `index`; `id` and `type` come once."""

    id: str | None = None
    index: int
    type: str | None = None
    function: FunctionDelta


class Delta(WireModel, kw_only=True):
    """What the model said since the chunk before."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None
    audio: Any = None


class ChunkChoice(WireModel, kw_only=True):
    """`finish_reason` is absent until the last chunk."""

    index: int
    finish_reason: str | None = None
    delta: Delta
    logprobs: Any = None


class Chunk(WireModel, kw_only=True):
    """`id`, `created` (seconds) and `model` stay the same through a stream; `usage` comes with the last."""

    id: str | None = None
    created: int | None = None
    object: str | None = None
    model: str | None = None
    choices: list[ChunkChoice]
    usage: Usage | None = None
    request_id: str | None = None
    system_fingerprint: str | None = None
