"""The rounds of a conversation in which a model calls tools: what to send next, and when to stop.

Decides; neither sends nor runs anything.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from headrace.wire.completion import Completion, Message
from zai.errors import ToolRoundsError, ZaiError
from zai.streaming.events import ToolCallDone
from zai.tools.function import ToolFunction, encode_result

__all__ = ["ToolLoop", "ToolResult"]


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
        may_await: bool,
    ) -> None:
        self._tools = {tool.name: tool for tool in map(ToolFunction, tools)}
        for tool in self._tools.values():
            if tool.is_async and not may_await:
                msg = f"{tool.name} is async; use AsyncZaiClient, or a plain function"
                raise ZaiError(msg)
        self._max_rounds = max_rounds
        self.messages: list[Mapping[str, Any] | Message] = list(messages)
        """With the model's answers and the tools' results, as they stand in the next request."""
        self.rounds = 0

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
        return ToolResult(call.index, call.id, call.name, f"Error: {type(error).__name__}: {error}", error)

    def end_round(self, answer: Completion, results: Sequence[ToolResult]) -> bool:
        """Append the answer, thinking included, and the results; whether there is another round."""
        message = answer.choices[0].message
        calls = [
            {
                "id": call.id or f"call_{index}",
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments or "{}"},
            }
            for index, call in enumerate(message.tool_calls or ())
        ]
        said: dict[str, Any] = {"role": "assistant", "content": message.content or ""}
        if message.reasoning_content:
            said["reasoning_content"] = message.reasoning_content
        if calls:
            said["tool_calls"] = calls
        self.messages.append(said)
        told = {result.index: result.content for result in results}
        for index, call in enumerate(calls):
            self.messages.append({"role": "tool", "tool_call_id": call["id"], "content": told[index]})
        return bool(calls)
