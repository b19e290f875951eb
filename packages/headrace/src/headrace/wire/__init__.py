"""The JSON of the API and nothing else: requests, chunks, whole answers, usage, errors."""

from headrace.wire.chunk import Chunk, ChunkChoice, Delta, FunctionDelta, ToolCallDelta
from headrace.wire.completion import Accumulator, Choice, Completion, Function, Message, ToolCall, fold
from headrace.wire.decode import decode_chunk, decode_completion
from headrace.wire.decode_request import decode_request
from headrace.wire.error_body import encode_error
from headrace.wire.model import WireModel
from headrace.wire.request import ChatRequest, RequestMessage, Thinking, Tool
from headrace.wire.usage import CompletionTokensDetails, PromptTokensDetails, Usage, usage_of

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
    "encode_error",
    "fold",
    "usage_of",
]
