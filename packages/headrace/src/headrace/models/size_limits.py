"""Limits of a request's size, checked before the work that they bound: rendering and tokenising.

They follow from the model's context. A token has four bytes on average, and every message has a token.
"""

from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.wire import ChatRequest

__all__ = ["BODY_BYTES", "BYTES_PER_TOKEN", "check_request"]

BYTES_PER_TOKEN: Final = 64
"""Bytes of a body, or characters of a prompt, that no model has in a token on average."""

BODY_BYTES: Final = 2 * 1024 * 1024
"""Bytes of a body beyond those of its tokens: schemas, unknown fields, and conversations of up to half a
million tokens, which shall get error 1261. No step of decoding that many holds the GIL for over 5 ms."""


def check_request(request: ChatRequest, context: int) -> None:
    """Reject messages and tools that cannot fit into the context, before they are rendered.

    Args:
        request: the request to render.
        context: the model's context in tokens; 0 if unknown.

    Raises:
        RequestError: 1261.
    """
    if not context:
        return
    items = len(request.messages)
    characters = sum(len(msgspec.json.encode(sent)) for sent in (request.tools, request.template_variables))
    for message in request.messages:
        characters += len(message.text) + len(message.reasoning_content or "")
        items += len(message.content) if isinstance(message.content, list) else 0
        for call in message.tool_calls or ():
            items += 1
            characters += len(call.function.name) + len(call.function.arguments)
    if items > context:
        msg = f"messages has {items} messages, parts and calls, but the model's context has {context} tokens"
        raise RequestError(f"{msg}; send fewer", code="1261")
    if characters > context * BYTES_PER_TOKEN:
        msg = (
            f"messages, tools and chat_template_kwargs have {characters} characters, too many for the model's"
        )
        raise RequestError(f"{msg} context of {context} tokens; shorten the messages", code="1261")
