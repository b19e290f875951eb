"""The answers of the right endpoint in the Messages and the Responses API: our decoders and encoders around them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from headrace.errors import RequestError
from headrace.events import Content, Event, Finish, Reasoning, TokenUsage, ToolCallArguments, ToolCallStart
from headrace.message_events import MessageEncoder
from headrace.response_encoder import ResponseEncoder
from headrace.sse import SseDecoder
from headrace.wire import ChatRequest
from headrace.wire.messages import decode_message_request, fold_message
from headrace.wire.messages.errors import error_of
from headrace.wire.responses import decode_response_request, encode_response_error, form_of

__all__ = ["RIGHT_APIS", "RightApi", "chat_fields"]


class RightApi(msgspec.Struct):
    """How an API decodes requests and encodes answers."""

    decode: Callable[[bytes], ChatRequest]
    encoder: Callable[[str, ChatRequest], MessageEncoder | ResponseEncoder]
    fold: Callable[[list[dict[str, Any]]], dict[str, Any]]
    error: Callable[[RequestError], bytes]

    def events(
        self, id: str, request: ChatRequest, deltas: list[dict[str, Any]], reason: str
    ) -> list[dict[str, Any]]:
        """Return the data of the events of the answer."""
        encoder, decoder = self.encoder(id, request), SseDecoder()
        frames = [encoder.begin(), *map(encoder.encode_frame, events_of(deltas, reason, request))]
        return [json.loads(event.data) for frame in frames for event in decoder.feed(frame or b"")]


def events_of(deltas: list[dict[str, Any]], reason: str, request: ChatRequest) -> Iterator[Event]:
    """Yield the log of the answer that these deltas are."""
    for delta in deltas:
        if text := delta.get("reasoning_content"):
            yield Reasoning(text)
        elif text := delta.get("content"):
            yield Content(text)
        for part in delta.get("tool_calls", ()):
            function = part["function"]
            if name := function.get("name"):
                yield ToolCallStart(part["index"], name, part["id"])
            else:
                yield ToolCallArguments(part["index"], function["arguments"])
    yield Finish(reason, TokenUsage(7, min(len(deltas), request.max_tokens or 300)))


def chat_fields(request: ChatRequest) -> dict[str, Any]:
    """Return the request as the fields of a chat completion."""
    fields = msgspec.to_builtins(request)
    fields["messages"] = [{**message, "content": text_of(message)} for message in fields["messages"]]
    fields["thinking"] = {"type": "enabled" if request.wants_thinking else "disabled"}
    kind = fields["response_format"]["type"]
    return {
        name: value for name, value in fields.items() if value and (name, kind) != ("response_format", "text")
    }


def text_of(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


RIGHT_APIS = {
    "/messages": RightApi(
        lambda body: decode_message_request(body).request,
        lambda turn, request: MessageEncoder(turn, request.model, lambda: 7),
        fold_message,
        lambda error: msgspec.json.encode({"type": "error", "error": error_of(error)}),
    ),
    "/responses": RightApi(
        lambda body: decode_response_request(body).chat,
        lambda turn, request: ResponseEncoder(turn, 1795932494, form_of(request)),
        lambda events: events[-1]["response"],
        encode_response_error,
    ),
}
