"""`POST …/chat/completions`: servers that render and parse themselves, such as api.z.ai or another Headrace.

Requests are encoded in the server's dialect; chunks are decoded in any dialect. Some servers leave markup
(at least `<think>`) in the content, so a parser reads it; after the first reasoning or call in a field of its
own, content is not parsed any more.
"""

from functools import partial
from typing import Any, Final

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.chat_messages import ChatMessages
from headrace.engines.protocols.chat_reader import ChatReader
from headrace.engines.protocols.chunk_fields import (
    MAX_TOKENS,
)
from headrace.engines.protocols.dialects import Dialect, response_format_field, sampling_fields
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.errors import RequestError
from headrace.formats import Format, State, Transition
from headrace.parsing import OutputParser
from headrace.parsing.call_buffer import CallBuffer
from headrace.wire.call_assembler import CallAssembler
from headrace.wire.request import ChatRequest, Thinking

__all__ = ["UPSTREAM_PARSED", "Chat"]

UPSTREAM_PARSED: Final = Format(
    name="upstream-parsed",
    thinking_tags=("<think>", "</think>"),
    transitions={(State.OPEN, "<think>"): Transition(State.REASONING)},
    leading_text={State.OPEN: "\n\n"},
)
"""The format of content that the server has parsed, except perhaps for the thinking."""


class Chat:
    """The protocol of a server that renders and parses.

    Args:
        dialect: the server's.
        upstream: the server, for messages.
        model: the server's name for the model.
        format: of the markup that the server leaves in the content.
        limits: of the server's tokens; None for those of the dialect.
    """

    path: Final = "chat/completions"
    continues: Final = False

    def __init__(
        self,
        dialect: Dialect,
        upstream: Upstream,
        *,
        model: str,
        format: Format = UPSTREAM_PARSED,
        limits: TokenLimits | None = None,
    ) -> None:
        self._format = format
        self.dialect = dialect
        self.limits = limits or TokenLimits(dialect)
        self._upstream = upstream
        self._model = model
        self._messages = ChatMessages()

    def encode(self, generation: Generation, id: str = "") -> bytes:
        request = generation.request
        body: dict[str, Any] = {
            "model": self._model,
            "messages": self._messages.encode(request),
            "stream": True,
            **self.dialect.fields,
            **self.dialect.id_field(id),
            **sampling_fields(request, self.dialect),
            **_thinking_fields(request, self.dialect),
        }
        if (max_tokens := self.max_tokens(generation)) is not None:
            body["max_tokens"] = max_tokens
        if request.tools:
            body["tools"] = request.tools
            if request.tool_choice != "auto":
                body["tool_choice"] = request.tool_choice
            if not request.parallel_tool_calls:
                body["parallel_tool_calls"] = False
            if request.tool_stream and self.dialect.tool_stream:
                body["tool_stream"] = True
        if request.response_format.type != "text":
            body["response_format"] = response_format_field(request)
        return msgspec.json.encode(body)

    def encode_count(self, generation: Generation) -> tuple[str, bytes] | None:
        request, tokenizer = generation.request, self.dialect.tokenizer
        if tokenizer is None or any(message.images for message in request.messages):
            return None  # servers count an image as the text in its place
        messages = self._messages.encode(request)
        body = {"model": self._model, "messages": messages, **_thinking_fields(request, self.dialect)}
        if request.tools:
            body["tools"] = request.tools
        return tokenizer.chat_path, msgspec.json.encode(body)

    def max_tokens(self, generation: Generation) -> int | None:
        wanted = self.limits.wanted(generation.request.max_tokens)
        return None if wanted is None else self.limits.accepted(wanted)

    token_limit = max_tokens

    def revised(self, generation: Generation, refusal: str) -> Generation | None:
        if (request := self._messages.accepted(generation.request, refusal)) is not None:
            return msgspec.structs.replace(generation, request=request)
        return self.limits.revised(generation, refusal, self.max_tokens(generation))

    def reader(self, generation: Generation) -> "ChatReader":
        request = generation.request
        schemas = request.schemas
        return ChatReader(
            self._upstream,
            partial(
                OutputParser,
                self._format,
                schemas,
                thinking=request.wants_thinking,
                tool_stream=request.tool_stream,
            ),
            CallAssembler(schemas),
            None if request.tool_stream else CallBuffer(),
            truncated_call_reason="stop" if request.stop else "network_error",
            limit=(self.max_tokens(generation) or MAX_TOKENS) if self.dialect.fills_context else 0,
            line_ends=self.dialect.line_ends,
        )


def _thinking_fields(request: ChatRequest, dialect: Dialect) -> dict[str, Any]:
    """Encode `thinking`, `reasoning_effort` and `chat_template_kwargs` in the dialect."""
    if request.template_variables and dialect.thinking != "template":
        name = next(iter(request.template_variables))
        msg = f"chat_template_kwargs.{name}: the model's server does not accept variables; remove it"
        raise RequestError(msg, code="1212")
    effort = {"reasoning_effort": request.reasoning_effort} if request.reasoning_effort else {}
    match dialect.thinking:
        case "object":
            changed = request.thinking != Thinking()
            return effort | ({"thinking": msgspec.to_builtins(request.thinking)} if changed else {})
        case "template":
            variables: dict[str, Any] = {
                "enable_thinking": request.wants_thinking,  # GLM, Qwen
                "thinking": request.wants_thinking,  # DeepSeek
                "clear_thinking": request.thinking.clear_thinking,
                **effort,
                **request.template_variables,
            }
            return {"chat_template_kwargs": variables}
        case "effort":
            return effort if request.wants_thinking else {"reasoning_effort": "none"}
