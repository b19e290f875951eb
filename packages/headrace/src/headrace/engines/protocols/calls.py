"""Deltas of tool calls, as odd as servers write them → calls one after another, with gapless indexes.

Known oddities: an index that is missing, null, −1, the same for every call, or that of the tool; ids
and names that are repeated, null, "" or new in every delta; a name in pieces; arguments as an object;
arguments that begin with `{}`, and real ones after it; whole arguments said again with the finish; deltas
of two calls that alternate.
"""

from collections.abc import Collection
from typing import Final

import msgspec

from headrace.events import Event, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.parsing.json_text import JsonText

__all__ = ["CallDelta", "CallReader", "FunctionDelta"]

_NO_ARGUMENTS: Final = ("", "{}", "null")


class FunctionDelta(msgspec.Struct):
    """What is called: a call's `function`, or a delta's `function_call` of before there were tools."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


class CallDelta(msgspec.Struct):
    """One entry of a delta's `tool_calls`."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None


class _Call:
    def __init__(self, key: int | None) -> None:
        self.key = key
        self.id = ""
        self.name = ""
        self.is_started = False
        self.arguments: list[str] = []
        self.said = 0  # how many of the pieces have been said
        self._json = JsonText(ends=True)
        self._read = 0  # and how many by the line above

    @property
    def is_bare(self) -> bool:
        """Whether there are no arguments yet, though they may still come."""
        return len(self.arguments) < 2 and "".join(self.arguments) in _NO_ARGUMENTS

    def is_whole(self) -> bool:
        """Whether the arguments have come to their end; none at all have."""
        if self.is_bare:
            return True
        for piece in self.arguments[self._read :]:
            self._json.feed(piece)
        self._read = len(self.arguments)
        return self._json.is_complete

    def add(self, arguments: str) -> None:
        """A piece of the arguments, or the first one in the place of none."""
        if self.is_bare and arguments.startswith("{"):
            self.arguments.clear()
        self.arguments.append(arguments)


class CallReader:
    """One call is said at a time: the next one waits until this one's arguments are whole, or none will come.

    Args:
        tools: the names that were offered; they tell a name in pieces from one that is repeated.
    """

    def __init__(self, tools: Collection[str]) -> None:
        self.is_half = False
        """After `finish`: a call has no end."""
        self._tools = tools
        self._calls: list[_Call] = []
        self._open = 0  # the call that is being said

    @property
    def called(self) -> bool:
        """Whether a call has begun."""
        return bool(self._calls)

    def feed(self, delta: CallDelta, *, is_last: bool = False) -> list[Event]:
        """The events of a delta; `is_last` if the finish stands in the same chunk."""
        call = self._find(delta)
        call.id = call.id or delta.id or ""
        function = delta.function or FunctionDelta()
        if function.name and not call.is_started:
            call.name = _joined(call.name, function.name, self._tools)
        arguments = function.arguments or ""
        if isinstance(arguments, dict):
            arguments = msgspec.json.encode(arguments).decode()
        said_again = is_last and arguments == "".join(call.arguments)
        if arguments and not said_again:
            call.add(arguments)
        return self._say()

    def finish(self, *, is_cut_off: bool) -> list[Event]:
        """No more deltas will come: what is whole ends, what was cut off does not."""
        events = self._say()
        for call in self._calls[self._open :]:
            events += self._progress(call, is_named=not is_cut_off)
            if call.is_started and call.is_whole() and (call.arguments or not is_cut_off):
                events += self._end(call)
            else:
                self.is_half = True
            self._open += 1
        return events

    def _find(self, delta: CallDelta) -> _Call:
        """The call that a delta belongs to; a new one if it begins one."""
        key = None if delta.index is None or delta.index < 0 else delta.index
        name = delta.function.name if delta.function else None
        if key is not None:
            call = next((call for call in reversed(self._calls) if call.key == key), None)
        else:
            call = next((call for call in self._calls if delta.id and call.id == delta.id), None)
            call = call or (self._calls[-1] if self._calls else None)
        if call is None or self._begins(call, delta.id, name):
            call = _Call(key)
            self._calls.append(call)
        return call

    def _begins(self, call: _Call, id: str | None, name: str | None) -> bool:
        """Whether a delta that names `call` begins another one all the same."""
        if not name or not call.name:
            return False
        if id and call.id:
            return id != call.id
        return not id and call.key is None and bool(call.arguments) and call.is_whole()

    def _say(self) -> list[Event]:
        events: list[Event] = []
        while self._open < len(self._calls):
            call = self._calls[self._open]
            is_followed = self._open + 1 < len(self._calls)
            events += self._progress(call, is_named=is_followed or _is_settled(call.name, self._tools))
            if not is_followed or call.is_bare or not call.is_whole():
                break
            events += self._end(call)
            self._open += 1
        return events

    def _progress(self, call: _Call, *, is_named: bool) -> list[Event]:
        """What can be said of a call: its start once the name is known, then its arguments."""
        events: list[Event] = []
        if not call.is_started:
            if not call.name or not (is_named or call.arguments):
                return []
            call.is_started = True
            events.append(ToolCallStart(self._open, call.name, call.id))
        if call.is_bare:
            return events
        pieces = call.arguments[call.said :]
        call.said = len(call.arguments)
        return events + [ToolCallArguments(self._open, piece) for piece in pieces]

    def _end(self, call: _Call) -> list[Event]:
        empty: list[Event] = [ToolCallArguments(self._open, "{}")] if call.is_bare else []
        return [*empty, ToolCallEnd(self._open)]


def _joined(so_far: str, piece: str, tools: Collection[str]) -> str:
    """A name and what came after it: its next piece, or the name again."""
    longer = so_far + piece
    if not so_far or any(tool.startswith(longer) for tool in tools):
        return longer
    return so_far if piece == so_far or so_far in tools else longer


def _is_settled(name: str, tools: Collection[str]) -> bool:
    """Whether a name is whole: a tool's, and no other tool's name goes on from it."""
    return name in tools and not any(tool != name and tool.startswith(name) for tool in tools)
