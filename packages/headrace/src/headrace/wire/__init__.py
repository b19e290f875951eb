"""The JSON of the API: requests, chunks, completions, usage. No I/O, no engine."""

from headrace.wire.chunk import (
    Chunk,
    ChunkChoice,
    CompletionTokensDetails,
    Delta,
    FunctionDelta,
    PromptTokensDetails,
    ToolCallDelta,
    Usage,
    usage_of,
)
from headrace.wire.completion import Accumulator, Choice, Completion, Function, Message, ToolCall, fold
from headrace.wire.decode import decode_chunk, decode_completion
from headrace.wire.decode_request import decode_request
from headrace.wire.model import WireModel
from headrace.wire.request import ChatRequest, RequestMessage, Thinking, Tool

__all__ = [
    "Accumulator",
    "ChatRequest",
    "Choice",
    "Chunk",
    "ChunkChoice",
    "Completion",
    "CompletionTokensDetails",
    "Delta",
    "Function",
    "FunctionDelta",
    "Message",
    "PromptTokensDetails",
    "RequestMessage",
    "Thinking",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "WireModel",
    "decode_chunk",
    "decode_completion",
    "decode_request",
    "fold",
    "usage_of",
]
