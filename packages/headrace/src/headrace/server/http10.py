"""Responses to HTTP/1.0, which has no chunked encoding: the end of the connection ends the response."""

from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from headrace.server.connection import Send

__all__ = ["send_until_close"]


def send_until_close(cycle: RequestResponseCycle) -> Send:
    """Return a `send` for a cycle that sends a body without `Content-Length` as it is."""
    send: Any = cycle.send
    has_length = False

    async def send_without_chunks(message: MutableMapping[str, Any]) -> None:
        nonlocal has_length
        if message["type"] == "http.response.start":
            has_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
            cycle.chunked_encoding = None if has_length else False
        elif not has_length:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    return send_without_chunks
