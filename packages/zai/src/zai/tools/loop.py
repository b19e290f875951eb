"""The rounds of a conversation in which a model calls tools: what to send next, and when to stop.

Decides; neither sends nor runs anything.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from headrace.wire.completion import Completion, Message
from zai.errors import ToolRoundsError, ZaiError
from zai.streaming.events import ToolCallDone
from zai.tools.function import ToolFunction, encode_result

__all__ = ["INCOMPLETE", "ToolLoop", "ToolResult", "async_function_error"]

INCOMPLETE: Final = (
    "length",
    "model_context_window_exceeded",
    "sensitive",
    "content_filter",
    "network_error",
)
"""A finish_reason that tells of an answer without its end: half a call is no call to be made."""


class ToolResult(msgspec.Struct, frozen=True):
    """A call was made: what the model is told, and the exception if the function raised one."""

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
        may_await: whether the functions may be async.
    """

    def __init__(
        self,
        messages: Sequence[Mapping[str, Any] | Message],
        tools: Sequence[Callable[..., Any]],
        max_rounds: int,
        *,
        allow_async: bool,
    ) -> None:
        self._tools = {tool.name: tool for tool in map(ToolFunction, tools)}
        for tool in self._tools.values():
            if tool.is_async and not allow_async:
                raise async_function_error(tool)
        self._max_rounds = max_rounds
        self.messages: list[Mapping[str, Any] | Message] = list(messages)
        """With the model's answers and the tools' results, as they stand in the next request."""
        self.rounds = 0
        self.completion: Completion | None = None
        """The last one, that calls nothing more or was cut off."""

    @property
    def specs(self) -> list[dict[str, Any]]:
        """What stands in the request's `tools`."""
        return [tool.spec for tool in self._tools.values()]

    def begin_round(self) -> None:
        """Another request: raises if the model has had all its rounds."""
        if self.rounds >= self._max_rounds:
            msg = (
                f"the model still calls tools after {self.rounds} rounds; raise max_rounds, or see .messages"
            )
            raise ToolRoundsError(msg, messages=self.messages)
        self.rounds += 1

    def prepare(self, call: ToolCallDone) -> tuple[ToolFunction, dict[str, Any]]:
        """The tool and its arguments.

        Raises:
            ValueError: the call fits no tool, or not its signature.
        """
        tool = self._tools.get(call.name)
        if tool is None:
            msg = f"there is no tool {call.name!r}; there are {', '.join(self._tools)}"
            raise ValueError(msg)
        return tool, tool.decode(call.arguments)

    def succeed(self, call: ToolCallDone, result: Any) -> ToolResult:
        """The function returned."""
        return ToolResult(call.index, call.id, call.name, encode_result(result))

    def fail(self, call: ToolCallDone, error: Exception) -> ToolResult:
        """The function raised, or could not be called: the model is told, and may do better."""
        content = f"Error: {type(error).__name__}: {error}"
        if not isinstance(call.parsed, dict):  # which the answer's own arguments will not show
            content += f"; the arguments were {call.arguments}"
        return ToolResult(call.index, call.id, call.name, content, error)

    def end_round(self, completion: Completion, results: Sequence[ToolResult]) -> None:
        """Append the answer, thinking included, and the results of the calls that were made."""
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
        """The last one; raises if the run ended before it."""
        if self.completion is None:
            msg = "the run ended before its last answer: it failed or was closed; what came is in .messages"
            raise ZaiError(msg)
        return self.completion


def async_function_error(tool: ToolFunction) -> ZaiError:
    """What to raise for a function that a client which blocks cannot call."""
    return ZaiError(f"{tool.name} is async; use AsyncZaiClient, or a plain function")


def _object_of(arguments: str) -> str:
    """Servers refuse a conversation in which a call's arguments are no JSON object."""
    try:
        value = msgspec.json.decode(arguments)
    except (ValueError, RecursionError):
        return "{}"
    return arguments if isinstance(value, dict) else "{}"
