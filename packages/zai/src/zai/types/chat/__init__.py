"""The types of chat completions, under the names of PyPI's zai-sdk."""

from zai.types.chat.async_chat_completion import AsyncCompletion, AsyncTaskStatus
from zai.types.chat.chat_completion import (
    Completion,
    CompletionChoice,
    CompletionMessage,
    CompletionMessageToolCall,
    CompletionUsage,
    Function,
)
from zai.types.chat.chat_completion_chunk import (
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)
from zai.types.chat.chat_completion_chunk import CompletionUsage as CompletionChunkUsage

__all__ = [
    "AsyncCompletion",
    "AsyncTaskStatus",
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallFunction",
    "Completion",
    "CompletionChoice",
    "CompletionChunkUsage",
    "CompletionMessage",
    "CompletionMessageToolCall",
    "CompletionUsage",
    "Function",
]
