"""The types of a completion, under the names of PyPI's zai-sdk."""

from headrace.wire.chunk import CompletionTokensDetails, PromptTokensDetails
from headrace.wire.chunk import Usage as CompletionUsage
from headrace.wire.completion import Choice as CompletionChoice
from headrace.wire.completion import Completion, Function
from headrace.wire.completion import Message as CompletionMessage
from headrace.wire.completion import ToolCall as CompletionMessageToolCall

__all__ = [
    "Completion",
    "CompletionChoice",
    "CompletionMessage",
    "CompletionMessageToolCall",
    "CompletionTokensDetails",
    "CompletionUsage",
    "Function",
    "PromptTokensDetails",
]
