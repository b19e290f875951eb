"""Tool-call deltas in every variant that servers send → calls in sequence, numbered from 0.

Variants: an index that is missing, null, −1, text, the same for every call, or that of the tool; ids and
names that are repeated, null, "" or new in every delta; a name in fragments; arguments as an object; a
placeholder (`{}`, `null`) before the real arguments; the complete arguments repeated with the finish;
interleaved deltas of two calls. If neither index nor id separates two calls, a name after complete arguments
starts the second one.
"""

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from headrace.events import CallEvent, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.wire.chunk import ToolCallDelta, text_of
from headrace.wire.json_end import JsonEnd

__all__ = ["CallAssembler", "CallDelta", "FunctionDelta"]

_NULL: Final = "null"
_EMPTY: Final = "{}"
_COMPLETE: Final = frozenset({"stop", "tool_calls", "function_call"})


class FunctionDelta(msgspec.Struct):
    """The `function` of a call, or the legacy `function_call` of a delta; unknown fields are skipped."""

    name: str | None = None
    arguments: str | dict[str, object] | None = None


class CallDelta(msgspec.Struct):
    """An entry of `tool_calls`; unknown fields are skipped, which `ToolCallDelta` keeps."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    custom: None = None  # a call of a custom tool needs `wire/variants.py`


class _Call:
    def __init__(self, key: int | None) -> None:
        self.key = key
        self.id = ""
        self.name = ""
        self.next_name = ""  # of another call with the same key, whose arguments may follow
        self.fragments: list[str] = []
        self.has_placeholder = False
        self.is_started = False
        self.emitted = 0  # fragments
        self._end = JsonEnd()
        self._scanned = 0  # fragments

    @property
    def has_arguments(self) -> bool:
        return bool(self.fragments) or self.has_placeholder

    def is_complete(self) -> bool:
        """Check whether the arguments are a complete JSON value."""
        for fragment in self.fragments[self._scanned :]:
            self._end.feed(fragment)
        self._scanned = len(self.fragments)
        return self._end.is_found

    def add(self, arguments: str, *, has_name: bool, is_last: bool) -> None:
        """Keep a fragment; skip placeholders, and arguments that the last chunk repeats.

        `{}` is a placeholder in the delta that names the call only.
        """
        if not self.fragments and (arguments == _NULL or (has_name and arguments == _EMPTY)):
            self.has_placeholder = True
        elif arguments and not (is_last and arguments == "".join(self.fragments)):
            self.fragments.append(arguments)


class CallAssembler:
    """The tool calls of one answer.

    Events are emitted for one call at a time: the next call starts when this one's arguments are complete.
    A call starts once its name is certain: a tool's name that no other tool's name extends, or any name
    followed by arguments.

    Args:
        tools: the names of the offered tools, if known; they distinguish a fragment of a name from a
            repeated name.
    """

    def __init__(self, tools: Collection[str] = ()) -> None:
        self.is_truncated = False
        """After `finish`: a call is incomplete."""
        self._tools = tools
        self._calls: list[_Call] = []
        self._by_key: dict[int, _Call] = {}  # the last call of each
        self._by_id: dict[str, _Call] = {}  # the first call of each
        self._latest: _Call | None = None  # the call of the latest delta
        self._current = 0  # index of the call whose events are being emitted

    @property
    def has_calls(self) -> bool:
        """Whether any delta was fed."""
        return bool(self._calls)

    def add(self, delta: CallDelta | ToolCallDelta, *, is_last: bool = False) -> None:
        """Assign a delta to its call, without emitting events; for `snapshot`.

        Args:
            delta: one entry of `tool_calls`.
            is_last: its chunk has a finish_reason.
        """
        if is_last or not self._append(delta):
            self._assign(delta, is_last=is_last)

    def _append(self, delta: CallDelta | ToolCallDelta) -> bool:
        """Append the arguments of a delta that merely continues the latest call, as most do."""
        call, function = self._latest, delta.function
        if call is None or function is None or delta.id is not None or function.name is not None:
            return False
        text = function.arguments
        if not call.fragments or type(text) is not str or type(delta.index) is not int:
            return False
        if delta.index != call.key:
            return False
        call.fragments.append(text)
        return True

    def _assign(self, delta: CallDelta | ToolCallDelta, *, is_last: bool) -> None:
        function = delta.function or FunctionDelta()
        id, name = text_of(delta.id or ""), text_of(function.name or "")
        arguments = text_of(function.arguments or "")
        key = _key(delta.index)
        call = self._find(key, id)
        if call is None and not (id or name or arguments):  # every field of the schema, empty
            return
        name = name or (call.next_name if call else "")
        if call is None or _is_new(call, id, name, arguments, is_last=is_last):
            call = _Call(key)
            self._calls.append(call)
            if key is not None:
                self._by_key[key] = call
        elif name and not id and call.fragments and call.is_complete():
            call.next_name, self._latest = name, None
            return
        self._latest = call
        if id and not call.id:
            call.id = id
            self._by_id.setdefault(id, call)
        if name and not call.is_started:
            call.name = _extended(call.name, name, self._tools)
        call.add(arguments, has_name=bool(name), is_last=is_last)

    def feed(self, delta: CallDelta | ToolCallDelta, *, is_last: bool = False) -> list[CallEvent]:
        """Return the events of a delta; the arguments are those of `add`."""
        self.add(delta, is_last=is_last)
        events: list[CallEvent] = []
        while self._current < len(self._calls) - 1:
            call = self._calls[self._current]
            if call.name:
                events += self._advance(call)
            if not call.is_complete():
                return events
            events += self._end(call)
        if self._current < len(self._calls):
            call = self._calls[-1]
            if call.is_started or (call.name and (call.has_arguments or _is_certain(call.name, self._tools))):
                events += self._advance(call)
        return events

    def finish(self, finish_reason: str) -> list[CallEvent]:
        """Return the remaining events; a call that was cut off has no end."""
        is_cut_off = finish_reason not in _COMPLETE
        events: list[CallEvent] = []
        for call in self._calls[self._current :]:
            if call.is_complete() or (not call.fragments and (call.has_placeholder or not is_cut_off)):
                events += self._end(call)
                continue
            self.is_truncated = True
            if call.is_started or call.fragments:
                events += self._advance(call)
                self._current += 1
        return events

    def snapshot(self, finish_reason: str | None) -> Iterator[tuple[str, str, str]]:
        """Yield id, name and arguments of each call as received so far."""
        for call in self._calls:
            is_empty = call.has_placeholder or finish_reason in _COMPLETE
            yield call.id, call.name, "".join(call.fragments) or (_EMPTY if is_empty else "")

    def _find(self, key: int | None, id: str) -> _Call | None:
        """Find the call that a delta belongs to, unless it starts another one."""
        if key is not None:
            return self._by_key.get(key)
        return self._by_id.get(id) or (self._calls[-1] if self._calls else None)

    def _advance(self, call: _Call) -> list[CallEvent]:
        """Return the events of the current call that were not emitted yet."""
        events: list[CallEvent] = []
        if not call.is_started:
            call.is_started = True
            events.append(ToolCallStart(self._current, call.name, call.id))
        if text := "".join(call.fragments[call.emitted :]):
            events.append(ToolCallArguments(self._current, text))
            call.emitted = len(call.fragments)
        return events

    def _end(self, call: _Call) -> list[CallEvent]:
        """End the current call, even if it never got a name."""
        if not call.fragments:
            call.fragments.append(_EMPTY)
        events = [*self._advance(call), ToolCallEnd(self._current)]
        self._current += 1
        return events


def _key(index: object) -> int | None:
    if isinstance(index, str) and index.isdecimal():
        index = int(index)
    return index if isinstance(index, int) and index >= 0 else None


def _is_new(call: _Call, id: str, name: str, arguments: str, *, is_last: bool) -> bool:
    """Check whether a delta that matches `call` by its index or position starts another call."""
    if not name or not call.name:
        return False
    if id and call.id:
        return id != call.id
    if id or not call.has_arguments or (call.fragments and not call.is_complete()):
        return False
    if call.key is None or name != call.name:
        return True
    # The same name again may be a repetition, unless other arguments come with it.
    return bool(call.fragments and arguments.strip()) and not (
        is_last and arguments == "".join(call.fragments)
    )


def _extended(name: str, fragment: str, tools: Collection[str]) -> str:
    """Join a name and what followed it: its next fragment, or the name repeated."""
    longer = name + fragment
    if not name or any(tool.startswith(longer) for tool in tools):
        return longer
    return name if fragment == name or name in tools else longer


def _is_certain(name: str, tools: Collection[str]) -> bool:
    """Check whether a name is a tool's, and no other tool's name extends it."""
    return name in tools and not any(tool != name and tool.startswith(name) for tool in tools)
