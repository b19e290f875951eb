"""`headrace chat -p`: one answer, its content on the standard output and everything else on stderr."""

import sys
from typing import Any, Final, TextIO

from headrace.cli.chat.conversation import Conversation
from headrace.visible import make_visible

__all__ = ["STATUSES", "answer"]

STATUSES: Final = {
    "stop": 0,
    "tool_calls": 0,
    "length": 3,
    "model_context_window_exceeded": 3,
    "sensitive": 4,
    "content_filter": 4,
    "network_error": 5,
}
"""Exit statuses by finish reason; every other reason is 1."""


async def answer(conversation: Conversation, question: str) -> int:
    """Print the answer and return the exit status of its finish reason."""
    reason = content = ""
    async with conversation.start(question) as events:
        async for event in events:
            match event.type:
                case "content.delta":
                    content = event.delta
                    _write(sys.stdout, content)
                case "finish":
                    reason = event.reason
                case _:
                    _write(sys.stderr, _aside(event))
    if not content.endswith("\n"):
        sys.stdout.write("\n")
    if STATUSES.get(reason, 1):
        print(f"headrace: the answer is incomplete: {make_visible(reason)}", file=sys.stderr)
    return STATUSES.get(reason, 1)


def _aside(event: Any) -> str:
    match event.type:
        case "reasoning.delta":
            return str(event.delta)
        case "reasoning.done":
            return "\n\n"
        case "tool_call.done":
            return f"{event.name} {event.arguments}\n"
        case "tool_call.result":
            return f"  -> {event.content}\n"
        case _:
            return ""


def _write(file: TextIO, text: str) -> None:
    """Write text as it is to a pipe or a file, and safely to a terminal."""
    file.write(make_visible(text, lines=True) if file.isatty() else text)
    file.flush()
