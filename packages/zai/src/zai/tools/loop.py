"""The conversation of a tool loop: the next request, and the end. Neither sends nor calls anything."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from headrace.wire.completion import Completion, Message
from zai.errors import ToolRoundsError, ZaiError
from zai.streaming.events import ToolCallDone
from zai.tools.function import ToolFunction, encode_result

__all__ = ["INCOMPLETE", "ToolLoop", "ToolResult"]

INCOMPLETE: Final = (
    "length",
    "model_context_window_exceeded",
    "sensitive",
    "content_filter",
    "network_error",
)
"""The finish reasons of an incomplete answer, whose last tool call may be incomplete too."""


class ToolResult(msgspec.Struct, frozen=True):
    """The result of a call as the model gets it, and the exception if the function raised one."""

    index: int
    id: str
    name: str
    content: str
    error: Exception | None = None
    type: Literal["tool_call.result"] = "tool_call.result"


class ToolLoop:
    """The conversation as it grows.

    Args:
        messages: the beginning; the list is not changed.
        tools: the functions that the model may call.
        max_rounds: how many answers the model may give.
    """

    def __init__(
        self,
        messages: Sequence[Mapping[str, Any] | Message],
        tools: Sequence[Callable[..., Any]],
        max_rounds: int,
    ) -> None:
        self.tools = {tool.name: tool for tool in map(ToolFunction, tools)}
        self._max_rounds = max_rounds
        self.messages: list[Mapping[str, Any] | Message] = list(messages)
        """The messages of the next request: the model's answers and the tools' results included."""
        self.rounds = 0
        self.completion: Completion | None = None
        """The last one: it calls no tools, or is incomplete."""

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The `tools` of the requests."""
        return [tool.spec for tool in self.tools.values()]

    def begin_round(self) -> None:
        """Count a request; raise if that exceeds `max_rounds`."""
        if self.rounds >= self._max_rounds:
            msg = (
                f"the model still calls tools after {self.rounds} rounds; raise max_rounds, or see .messages"
            )
            raise ToolRoundsError(msg, messages=self.messages)
        self.rounds += 1

    def prepare(self, call: ToolCallDone) -> tuple[ToolFunction, dict[str, Any]]:
        """Return the tool and its arguments.

        Raises:
            ValueError: there is no such tool, or its signature has other parameters.
        """
        tool = self.tools.get(call.name)
        if tool is None:
            msg = f"there is no tool {call.name!r}; there are {', '.join(self.tools)}"
            raise ValueError(msg)
        return tool, tool.decode(call.arguments)

    def succeed(self, call: ToolCallDone, result: Any) -> ToolResult:
        """Return the result of a function that returned."""
        return ToolResult(call.index, call.id, call.name, encode_result(result))

    def fail(self, call: ToolCallDone, error: Exception) -> ToolResult:
        """Return the error of a call as its result, so that the model can react to it."""
        content = f"Error: {type(error).__name__}: {error}"
        if not isinstance(call.parsed, dict):  # `end_round` replaces them
            content += f"; the arguments were {call.arguments}"
        return ToolResult(call.index, call.id, call.name, content, error)

    def end_round(self, completion: Completion, results: Sequence[ToolResult]) -> None:
        """Append the answer, reasoning included, and the results of its calls."""
        message = completion.choices[0].message
        contents = {result.index: result.content for result in results}
        calls = {
            index: {
                "id": call.id or f"call_{index}",
                "type": "function",
                "function": {"name": call.function.name, "arguments": _object_of(call.function.arguments)},
            }
            for index, call in enumerate(message.tool_calls or ())
            if index in contents
        }
        assistant: dict[str, Any] = {"role": "assistant", "content": message.content or ""}
        if message.reasoning_content:
            assistant["reasoning_content"] = message.reasoning_content
        if calls:
            assistant["tool_calls"] = [*calls.values()]
        self.messages.append(assistant)
        for index, call in calls.items():
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": contents[index]})
        if not calls or completion.choices[0].finish_reason in INCOMPLETE:
            self.completion = completion

    def final_completion(self) -> Completion:
        """Return the last completion; raise if the run ended before it."""
        if self.completion is None:
            msg = (
                "the run failed or was closed before its last answer; the conversation so far is in .messages"
            )
            raise ZaiError(msg)
        return self.completion


def _object_of(arguments: str) -> str:
    """Return `arguments`, or `{}` if they are not a JSON object, which servers reject."""
    try:
        value = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return "{}"
    return arguments if isinstance(value, dict) else "{}"
