"""For `tool_stream` off: holds each call until it is whole, and then lets it leave in one piece."""

from collections.abc import Iterable
from typing import Any

import msgspec

from headrace.events import Event, ToolCallArguments, ToolCallEnd, ToolCallStart

__all__ = ["WholeCalls"]


class WholeCalls:
    """Events in, events out. Text that stands inside a call's markup leaves before the call."""

    def __init__(self) -> None:
        self._start: ToolCallStart | None = None
        self._arguments: list[str] = []

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """The events, with each call held until its end."""
        ready: list[Event] = []
        for event in events:
            match event:
                case ToolCallStart():
                    ready += self._release()
                    self._start = event
                case ToolCallArguments(_, text) if self._start:
                    self._arguments.append(text)
                case ToolCallEnd() if self._start:
                    ready += [*self._release(), event]
                case _:
                    ready.append(event)
        return ready

    def finish(self) -> list[Event]:
        """A call that was cut off leaves as far as it came."""
        return self._release()

    def _release(self) -> list[Event]:
        if self._start is None:
            return []
        start, self._start = self._start, None
        arguments = _normalised("".join(self._arguments))
        self._arguments.clear()
        return [msgspec.structs.replace(start, arguments=arguments)]


def _normalised(arguments: str) -> str:
    """Compact, the outermost keys in alphabetical order, as Z.ai sends them; no JSON object: as it is."""
    try:
        value = msgspec.json.decode(arguments, type=dict[str, Any])
        return msgspec.json.encode(dict(sorted(value.items()))).decode()
    except (msgspec.DecodeError, RecursionError):  # too deep for msgspec, whatever it is
        return arguments
