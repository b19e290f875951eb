"""A chat request that was translated from another API's, and the fields there that its parts came from.

An error about a part may be found long after the translation: while the prompt is rendered, for example.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from headrace.errors import HeadraceError
from headrace.wire.request import ChatRequest

__all__ = ["Decoded", "Source", "Sources"]

_MESSAGE: Final = re.compile(r"\bmessages\[(\d+)\](\.content\b)?(?:(?<=content)\[(\d+)\])?")
_TOOL: Final = re.compile(r"\btools\[(\d+)\](?:\.function\b)?")
_PARAMETERS: Final = re.compile(r"tools\[(\d+)\]\.function\.parameters\b")
_SCHEMA: Final = "response_format.json_schema.schema"


class Source(NamedTuple):
    """The fields that a message came from.

    Args:
        content: that of its content.
        parts: those of the parts of the content; () if they are `content[0]`, `content[1]`, ….
    """

    content: str
    parts: Sequence[str] = ()


class Sources(NamedTuple):
    """The fields that the parts of a chat request came from; by default they are its own.

    Args:
        messages: those of the messages.
        tools: those of the functions.
        parameters: that of a function's schema, within the function's.
        schema: that of the answer's schema.
    """

    messages: Sequence[Source] = ()
    tools: Sequence[str] = ()
    parameters: str = "parameters"
    schema: str = _SCHEMA

    def place(self, place: str) -> str:
        """Return a place in a schema of the chat request as the client knows it."""
        if (found := _PARAMETERS.match(place)) and (index := int(found[1])) < len(self.tools):
            return f"{self.tools[index]}.{self.parameters}{place[found.end() :]}"
        return self.schema + place.removeprefix(_SCHEMA) if place.startswith(_SCHEMA) else place

    def rename(self, error: HeadraceError) -> None:
        """Let an error about the chat request name the fields that the client has sent."""
        for name in ("message", "public"):
            text = _TOOL.sub(self._tool, _MESSAGE.sub(self._message, getattr(error, name)))
            setattr(error, name, text)

    def _message(self, found: re.Match[str]) -> str:
        if (index := int(found[1])) >= len(self.messages):
            return found[0]
        content, parts = self.messages[index]
        if found[3] is not None:
            part = int(found[3])
            return parts[part] if part < len(parts) else f"{content}[{part}]"
        return content if found[2] else content.rpartition(".")[0] or content

    def _tool(self, found: re.Match[str]) -> str:
        index = int(found[1])
        return self.tools[index] if index < len(self.tools) else found[0]


class Decoded(NamedTuple):
    """A validated request, where it came from, and the names of the fields that have no effect on it."""

    request: ChatRequest
    sources: Sources = Sources()
    unknown: Sequence[str] = ()
