"""The types of a completion, under the names of PyPI's zai-sdk."""

from headrace.wire.completion import Choice as CompletionChoice
from headrace.wire.completion import Completion, Function
from headrace.wire.completion import Message as CompletionMessage
from headrace.wire.completion import ToolCall as CompletionMessageToolCall
from headrace.wire.usage import CompletionTokensDetails, PromptTokensDetails
from headrace.wire.usage import Usage as CompletionUsage

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
