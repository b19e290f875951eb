"""The types of a completion's chunks, under the names of PyPI's zai-sdk."""

from headrace.wire.chunk import Chunk as ChatCompletionChunk
from headrace.wire.chunk import ChunkChoice as Choice
from headrace.wire.chunk import CompletionTokensDetails, PromptTokensDetails
from headrace.wire.chunk import Delta as ChoiceDelta
from headrace.wire.chunk import FunctionDelta as ChoiceDeltaFunctionCall
from headrace.wire.chunk import FunctionDelta as ChoiceDeltaToolCallFunction
from headrace.wire.chunk import ToolCallDelta as ChoiceDeltaToolCall
from headrace.wire.chunk import Usage as CompletionUsage
from headrace.wire.model import WireModel

__all__ = [
    "AudioCompletionChunk",
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "ChoiceDeltaFunctionCall",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallFunction",
    "CompletionTokensDetails",
    "CompletionUsage",
    "PromptTokensDetails",
]


class AudioCompletionChunk(WireModel, kw_only=True):
    """Speech in a delta, from models other than Headrace's; `data` is base64."""

    id: str | None = None
    data: str | None = None
    expires_at: int | None = None
