"""APIs that are not served here. Their clients get a sentence, in the error format that they can show."""

from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.server.connection import HttpConnection

__all__ = ["OTHER_APIS", "reject_other_api"]

_ANTHROPIC: Final = ("/v1/messages", "/api/anthropic/v1/messages")
OTHER_APIS: Final = ("/v1/completions", "/v1/responses", *_ANTHROPIC)
"""Paths of OpenAI's other APIs for text, and of Anthropic's."""


async def reject_other_api(connection: HttpConnection) -> None:
    """Answer with status 400: Claude Code and Codex hide or retry a 404."""
    msg = (
        f"{connection.path} is not served here; use /v1/chat/completions, or a gateway that translates to it"
    )
    error = RequestError(msg, code="1222", status=400)
    if connection.path not in _ANTHROPIC:
        raise error
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": error.message}}
    await connection.send_json(msgspec.json.encode(body), status=error.status)
