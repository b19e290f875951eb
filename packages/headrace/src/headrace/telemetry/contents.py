"""Messages and answers in the form of OpenTelemetry's semantic conventions for generative AI.

Its schemas are gen-ai-input-messages.json and gen-ai-output-messages.json: a message has a role and parts.
Only what an operator has asked for is put into this form.
"""

from typing import Any

from headrace.errors import HeadraceError
from headrace.events import Content, Finish, Reasoning, ToolCallArguments, ToolCallStart
from headrace.turns import ProducedTurn
from headrace.turns.entries import Failure
from headrace.wire import ChatRequest
from headrace.wire.request import RequestMessage

__all__ = ["answer_of", "messages_of", "tools_of"]

Part = dict[str, Any]


def messages_of(request: ChatRequest) -> list[dict[str, Any]]:
    """Return the messages of a request. An image is its URL, or its size in characters if it is inline."""
    return [{"role": message.role, "parts": _parts(message)} for message in request.messages]


def tools_of(request: ChatRequest) -> list[dict[str, Any]]:
    """Return the tools of a request as it has them."""
    return request.tools


def answer_of(turn: ProducedTurn) -> list[dict[str, Any]]:
    """Return the one answer of a turn, as far as it was generated; nothing if there is none."""
    try:
        interpreter = turn.plan.new_interpreter()
    except HeadraceError:  # a turn taken over only to be ended may be impossible to plan here
        return []
    texts: dict[str, list[str]] = {"reasoning": [], "text": []}
    calls: dict[int, Part] = {}
    reason = "error"
    for event in interpreter.feed([event for event in turn.log.events if not isinstance(event, Failure)]):
        match event:
            case Reasoning(text):
                texts["reasoning"].append(text)
            case Content(text):
                texts["text"].append(text)
            case ToolCallStart(index, name, id, arguments):
                calls[index] = {"type": "tool_call", "id": id, "name": name, "arguments": arguments}
            case ToolCallArguments(index, text):
                calls[index]["arguments"] += text
            case Finish(reason):
                pass
    parts = [{"type": kind, "content": "".join(pieces)} for kind, pieces in texts.items() if pieces]
    return [{"role": "assistant", "parts": [*parts, *calls.values()], "finish_reason": reason}]


def _parts(message: RequestMessage) -> list[Part]:
    if message.role == "tool":
        return [{"type": "tool_call_response", "id": message.tool_call_id, "response": message.text}]
    parts: list[Part] = []
    if message.reasoning_content:
        parts.append({"type": "reasoning", "content": message.reasoning_content})
    if message.text:
        parts.append({"type": "text", "content": message.text})
    parts += [_image(image.url) for image in message.images.values()]
    return parts + [
        {
            "type": "tool_call",
            "id": call.id,
            "name": call.function.name,
            "arguments": call.function.arguments,
        }
        for call in message.tool_calls or ()
    ]


def _image(url: str) -> Part:
    uri = url if url.startswith(("http://", "https://")) else f"inline, {len(url)} characters"
    return {"type": "uri", "modality": "image", "uri": uri}
