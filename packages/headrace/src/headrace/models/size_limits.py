"""Limits of a request's size, checked before the work that they bound: decoding, rendering, tokenising.

They follow from the model's context. A token has four bytes on average, and every message has a token.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.wire import ChatRequest

__all__ = ["BODY_BYTES", "BYTES_PER_TOKEN", "check_body", "check_request"]

BYTES_PER_TOKEN: Final = 64
"""Bytes of a body, or characters of a prompt, that no model has in a token on average."""

BODY_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a body beyond those of its tokens: schemas, unknown fields, prompts that shall get error 1261."""

_MAX_SYMBOLS: Final = 200_000  # they take 20 ms to decode, during which nothing else runs

# One match takes a millisecond at most, and other threads run between two: hence the limits of repetition.
# All alternatives begin with a literal, which makes the search for one fast.
_IN_STRING: Final = rb'(?:[^"\\]{1,16384}+|\\.){0,64}+("?)'
_SYMBOL: Final = re.compile(rb'\[|\{|,|"' + _IN_STRING, re.DOTALL)
_REST: Final = re.compile(_IN_STRING, re.DOTALL)


def check_body(body: bytes | bytearray) -> None:
    """Reject JSON text of too many values.

    Raises:
        RequestError: 1210.
    """
    if len(body) <= _MAX_SYMBOLS:
        return
    for number, _ in enumerate(_symbols(body), 1):
        if number > _MAX_SYMBOLS:
            msg = f"the body has more than {_MAX_SYMBOLS} strings, brackets and commas; send fewer values"
            raise RequestError(msg, code="1210")


def _symbols(body: bytes | bytearray) -> Iterator[int]:
    """Find the strings, and outside of them the opening brackets and commas: each is about a value."""
    position = 0
    while found := _SYMBOL.search(body, position):
        yield found.start()
        position = found.end()
        while found and found[1] == b"" and position < len(body):  # a long string
            found = _REST.match(body, position)
            position = max(found.end(), position + 1) if found else len(body)


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
    characters = sum(
        len(msgspec.json.encode(sent)) for sent in (request.raw_tools, request.template_variables)
    )
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
