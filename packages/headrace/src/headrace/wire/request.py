"""A chat request: its fields, and nothing that acts on them.

`docs/wire.md` has the table with types, ranges and defaults. `null` means absent, everywhere.
`decode_request` is the only way in: what it returns has been checked.
"""

from typing import Any, Literal

import msgspec

__all__ = [
    "ChatRequest",
    "FunctionSpec",
    "RequestFunction",
    "RequestMessage",
    "RequestToolCall",
    "ResponseFormat",
    "TextPart",
    "Thinking",
    "Tool",
]

Role = Literal["system", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TextPart(msgspec.Struct, frozen=True):
    """The only kind of content part that an engine for text takes."""

    text: str
    type: Literal["text"] = "text"


class RequestFunction(msgspec.Struct, frozen=True):
    """A call that an earlier turn made; `arguments` is a JSON object as text."""

    name: str
    arguments: str = "{}"


class RequestToolCall(msgspec.Struct, frozen=True):
    """An entry of `messages[].tool_calls`."""

    function: RequestFunction
    id: str = ""
    type: Literal["function"] = "function"


class RequestMessage(msgspec.Struct, frozen=True):
    """One message; which fields it may have depends on its role."""

    role: Role
    content: str | list[TextPart] | None = None
    reasoning_content: str | None = None
    tool_calls: list[RequestToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The content as one string."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class FunctionSpec(msgspec.Struct, frozen=True):
    """What a tool's function is; `parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """Only functions: `web_search`, `retrieval` and `mcp` are refused by name."""

    function: FunctionSpec
    type: Literal["function"] = "function"


class Thinking(msgspec.Struct, frozen=True):
    """`clear_thinking` false keeps the reasoning of earlier turns in the prompt."""

    type: Literal["enabled", "disabled"] = "enabled"
    clear_thinking: bool = True


class ResponseFormat(msgspec.Struct, frozen=True):
    """`json_schema` is OpenAI's; an engine that cannot enforce one refuses it."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A checked request. `None` where the model's own default applies."""

    model: str
    messages: list[RequestMessage]
    stream: bool = False
    tool_stream: bool = False
    thinking: Thinking = Thinking()
    reasoning_effort: Effort | None = None
    do_sample: bool = True
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] = "auto"
    response_format: ResponseFormat = ResponseFormat()
    request_id: str | None = None
    user_id: str | None = None
    stream_options: dict[str, Any] | None = None
    extra: dict[str, Any] = {}
    """Top-level fields that the API does not know: tolerated, and kept for an upstream."""

    raw_tools: list[dict[str, Any]] = []
    """`tools` exactly as sent: a chat template shows the model every key, in the caller's order."""

    @property
    def schemas(self) -> dict[str, dict[str, Any] | None]:
        """The parameters of each tool that may be called, by its name."""
        return {tool.function.name: tool.function.parameters for tool in self.tools or ()}

    @property
    def wants_thinking(self) -> bool:
        """Thinking is on unless `thinking` or an effort of none or minimal turns it off."""
        return self.thinking.type == "enabled" and self.reasoning_effort not in ("none", "minimal")

    @property
    def stops(self) -> list[str]:
        """The stop strings, as a list."""
        if self.stop is None:
            return []
        return [self.stop] if isinstance(self.stop, str) else self.stop
