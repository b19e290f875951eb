"""The types of a completion's chunks, under the names of PyPI's zai-sdk."""

from headrace.wire.chunk import Chunk as ChatCompletionChunk
from headrace.wire.chunk import ChunkChoice as Choice
from headrace.wire.chunk import CompletionTokensDetails, PromptTokensDetails
from headrace.wire.chunk import Delta as ChoiceDelta
from headrace.wire.chunk import FunctionDelta as ChoiceDeltaToolCallFunction
from headrace.wire.chunk import ToolCallDelta as ChoiceDeltaToolCall
from headrace.wire.chunk import Usage as CompletionUsage

__all__ = [
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallFunction",
    "CompletionTokensDetails",
    "CompletionUsage",
    "PromptTokensDetails",
]
