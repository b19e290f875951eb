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
    AudioCompletionChunk,
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    ChoiceDeltaFunctionCall,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
)
from zai.types.chat.chat_completion_chunk import CompletionUsage as CompletionChunkUsage
from zai.types.chat.chat_completions_create_param import (
    CodeGeexContext,
    CodeGeexExtra,
    CodeGeexTarget,
    Reference,
)

__all__ = [
    "AsyncCompletion",
    "AsyncTaskStatus",
    "AudioCompletionChunk",
    "ChatCompletionChunk",
    "Choice",
    "ChoiceDelta",
    "ChoiceDeltaFunctionCall",
    "ChoiceDeltaToolCall",
    "ChoiceDeltaToolCallFunction",
    "CodeGeexContext",
    "CodeGeexExtra",
    "CodeGeexTarget",
    "Completion",
    "CompletionChoice",
    "CompletionChunkUsage",
    "CompletionMessage",
    "CompletionMessageToolCall",
    "CompletionUsage",
    "Function",
    "Reference",
]
