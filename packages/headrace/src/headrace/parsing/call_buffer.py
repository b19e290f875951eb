"""Buffers each call until it is complete, for requests with `tool_stream` off.

A call that is cut off is never emitted: half a call in one delta looks like a complete one, and the finish
reason tells that the answer was cut off.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from headrace.events import Event, ToolCallArguments, ToolCallEnd, ToolCallStart

__all__ = ["CallBuffer"]


class CallBuffer:
    """Events in, events out. Content from inside a call's markup precedes the call."""

    def __init__(self) -> None:
        self._start: ToolCallStart | None = None
        self._arguments: list[str] = []

    def feed(self, events: Iterable[Event]) -> list[Event]:
        """Return the events, each call as one `ToolCallStart` with all of its arguments."""
        ready: list[Event] = []
        for event in events:
            if type(event) is ToolCallStart:  # `isinstance` takes long to deny that a struct is of a type
                ready += self._release()
                self._start = event
            elif type(event) is ToolCallArguments and self._start:
                self._arguments.append(event.text)
            elif type(event) is ToolCallEnd and self._start:
                ready += [*self._release(), event]
            else:
                ready.append(event)
        return ready

    def _release(self) -> list[Event]:
        if self._start is None:
            return []
        start, self._start = self._start, None
        arguments = _normalized("".join(self._arguments))
        self._arguments.clear()
        return [msgspec.structs.replace(start, arguments=arguments)]


def _normalized(arguments: str) -> str:
    """Write an object compactly, its keys sorted on the top level, as Z.ai does; keep anything else."""
    try:
        value = msgspec.json.decode(arguments, type=dict[str, Any])
        return msgspec.json.encode(dict(sorted(value.items()))).decode()
    except (msgspec.DecodeError, RecursionError):  # RecursionError: nested too deeply for msgspec
        return arguments
