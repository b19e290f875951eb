"""Messages of a chat request, in the form that a server's chat template accepts.

Some templates reject a system message that is not the first one, as Claude Code sends it. Only the server's
refusal shows whether its template does.
"""

import re
from typing import Any, Final

import msgspec

from headrace.prompts.messages import with_system_first
from headrace.wire.request import ChatRequest, RequestMessage

__all__ = ["ChatMessages"]

_SYSTEM_ELSEWHERE: Final = re.compile(
    r"\bsystem\b.{0,80}\b(?:beginnin|first\b)"  # Qwen's template, which llama-server cuts off
    r"|roles must alternate"  # Mistral's, Gemma's
    r"|unexpected role '?system",  # Mistral's service
    re.IGNORECASE | re.DOTALL,
)


class ChatMessages:
    """The form of the messages for one server; it learns from a refusal."""

    def __init__(self) -> None:
        self._system_first = False

    def encode(self, request: ChatRequest) -> list[dict[str, Any]]:
        """Encode the messages of a request."""
        messages = with_system_first(request.messages) if self._system_first else request.messages
        return [_encode(message) for message in messages]

    def accepted(self, request: ChatRequest, refusal: str) -> ChatRequest | None:
        """Return a request with the messages that the server would have accepted, and remember their form.

        Args:
            request: that was refused.
            refusal: the server's message.

        Returns:
            None if the refusal has another reason, or there is no other form.
        """
        if not _SYSTEM_ELSEWHERE.search(refusal):
            return None
        messages = with_system_first(request.messages)
        if messages == request.messages:
            return None
        self._system_first = True
        return msgspec.structs.replace(request, messages=messages)


def _encode(message: RequestMessage) -> dict[str, Any]:
    """Encode a message without absent fields: not every server accepts null."""
    content = msgspec.to_builtins(message.content) if message.images else message.text
    plain: dict[str, Any] = {"role": message.role, "content": content}
    if message.reasoning_content:
        plain["reasoning_content"] = message.reasoning_content
    if message.tool_calls:
        plain["tool_calls"] = msgspec.to_builtins(message.tool_calls)
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    if message.name:
        plain["name"] = message.name
    return plain
