"""A chat request: its fields.

`docs/wire.md` has the table of types, ranges and defaults. `null` means absent, everywhere.
`decode_request` is the only source of requests and validates them.
"""

from typing import Any, Final, Literal

import msgspec

from headrace.wire.json_value import decode_json

__all__ = [
    "INTERNAL_FIELDS",
    "ChatRequest",
    "FunctionSpec",
    "ImagePart",
    "ImageUrl",
    "RequestFunction",
    "RequestMessage",
    "RequestToolCall",
    "ResponseFormat",
    "Role",
    "TextPart",
    "Thinking",
    "Tool",
    "Tools",
    "encode_request",
]

Role = Literal["system", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    """A text in a content."""

    text: str


class ImageUrl(msgspec.Struct, frozen=True, omit_defaults=True):
    """The image of a part; `url` is an http, https or data URL."""

    url: str
    detail: str | None = None


class ImagePart(msgspec.Struct, frozen=True, tag_field="type", tag="image_url"):
    """An image in the content of a user or a tool."""

    image_url: ImageUrl


class RequestFunction(msgspec.Struct, frozen=True):
    """A call in an earlier answer; `arguments` is usually a JSON object as text, but can be any text."""

    name: str
    arguments: str = "{}"

    @property
    def parsed(self) -> dict[str, Any]:
        """The arguments as an object, which is what most chat templates need.

        Text that is not a JSON object becomes the member `arguments`: a model can write such text,
        `max_tokens` can truncate it, and the conversation must stay usable.
        """
        try:
            parsed = decode_json(self.arguments or "{}")
        except ValueError:
            parsed = self.arguments
        return parsed if isinstance(parsed, dict) else {} if parsed is None else {"arguments": parsed}


class RequestToolCall(msgspec.Struct, frozen=True):
    """An entry of `messages[].tool_calls`."""

    function: RequestFunction
    id: str = ""
    type: Literal["function"] = "function"


class RequestMessage(msgspec.Struct, frozen=True):
    """A message; its role decides which fields it may have."""

    role: Role
    content: str | list[TextPart | ImagePart] | None = None
    reasoning_content: str | None = None
    tool_calls: list[RequestToolCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The content, its text parts joined."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content if isinstance(part, TextPart))
        return self.content or ""

    @property
    def images(self) -> dict[int, ImageUrl]:
        """The images by their index in the content."""
        if not isinstance(self.content, list):
            return {}
        parts = enumerate(self.content)
        return {index: part.image_url for index, part in parts if isinstance(part, ImagePart)}


class FunctionSpec(msgspec.Struct, frozen=True):
    """The function of a tool; `parameters` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """A function tool; the types `web_search`, `retrieval` and `mcp` are rejected by name."""

    function: FunctionSpec
    type: Literal["function"] = "function"


class Tools(msgspec.Struct, frozen=True):
    """What `ChatRequest.tools` must be."""

    tools: list[Tool] = []


class Thinking(msgspec.Struct, frozen=True):
    """The thinking options; `clear_thinking` false keeps earlier reasoning in the prompt."""

    type: Literal["enabled", "disabled"] = "enabled"
    clear_thinking: bool = True


class ResponseFormat(msgspec.Struct, frozen=True):
    """The structure of the output. `json_schema` is OpenAI's; an engine that cannot enforce it rejects it."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: dict[str, Any] | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A validated request. None stands for the model's own default."""

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
    tools: list[dict[str, Any]] = []
    """As sent, and valid as `Tools`: a chat template renders every key, in the client's order."""

    tool_choice: Literal["auto", "none", "required"] | dict[str, Any] = "auto"
    parallel_tool_calls: bool = True
    response_format: ResponseFormat = ResponseFormat()
    request_id: str | None = None
    user_id: str | None = None
    extra: dict[str, Any] = {}
    """Sampling fields beyond the API (`wire/sampling.py`). Other unknown fields are ignored."""

    template_variables: dict[str, Any] = {}
    """The members of `chat_template_kwargs` that no other field has."""

    answer_options: dict[str, Any] = {}
    """Options of another API about the form of its answer, for all readers of the turn."""

    counts_prompt: bool = False
    """Whether the answer begins with the number of the prompt's tokens."""

    @property
    def schemas(self) -> dict[str, dict[str, Any] | None]:
        """The JSON Schemas of the tools' parameters by name."""
        functions = [tool["function"] for tool in self.tools]
        return {function["name"]: function.get("parameters") for function in functions}

    @property
    def wants_thinking(self) -> bool:
        """Whether thinking is enabled: neither `thinking` nor an effort of none or minimal disables it."""
        return self.thinking.type == "enabled" and self.reasoning_effort not in ("none", "minimal")

    @property
    def stops(self) -> list[str]:
        """The stop strings."""
        if self.stop is None:
            return []
        return [self.stop] if isinstance(self.stop, str) else self.stop


INTERNAL_FIELDS: Final = frozenset({"answer_options", "counts_prompt", "extra", "template_variables"})
"""Fields of a `ChatRequest` that are not fields of the API."""


def encode_request(request: ChatRequest) -> bytes:
    """Encode a request for `decode_stored_request`, without the client's unknown fields."""
    fields = msgspec.structs.asdict(request)
    tools, extra = fields.pop("tools"), fields.pop("extra")
    variables = fields.pop("template_variables")
    return msgspec.json.encode({**fields, "tools": tools or None, "chat_template_kwargs": variables, **extra})
