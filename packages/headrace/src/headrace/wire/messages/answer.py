"""The complete answer of the Messages API: its stream, folded."""

from collections.abc import Iterable, Mapping
from typing import Any

from headrace.wire.request import RequestFunction

__all__ = ["fold_message"]


def fold_message(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Build the message of a stream, or as much of it as there is.

    Args:
        events: the data of the SSE events of one answer, as plain JSON.
    """
    message: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    texts: list[str] = []  # of the current block
    is_open = False
    for event in events:
        match event["type"]:
            case "message_start":
                message = {**event["message"], "content": blocks}
            case "content_block_start":
                texts, is_open = [], True
                blocks.append({**event["content_block"]})
            case "content_block_delta":
                _add(blocks[-1], event["delta"], texts)
            case "content_block_stop":
                _close(blocks[-1], "".join(texts))
                is_open = False
            case "message_delta":
                message |= event["delta"]
                message["usage"] = event["usage"]
    if is_open:
        _close(blocks[-1], "".join(texts))
    return message


def _add(block: dict[str, Any], delta: Mapping[str, Any], texts: list[str]) -> None:
    match delta:
        case {"type": "signature_delta", "signature": signature}:
            block["signature"] = signature
        case {"text": text} | {"thinking": text} | {"partial_json": text}:
            texts.append(text)


def _close(block: dict[str, Any], text: str) -> None:
    """Complete a block. Arguments that are no object, such as truncated ones, become the one `arguments`."""
    if block["type"] == "tool_use":
        block["input"] = RequestFunction(name="", arguments=text).parsed
    else:
        block[block["type"]] = text
