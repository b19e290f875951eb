"""The calls of one answer: what the states inside a call do with their text, and on the way between them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.events import Content, Event, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.formats import State, Transition
from headrace.parsing.arguments import ArgumentsWriter
from headrace.parsing.call_object import CallObject
from headrace.parsing.json_text import JsonText
from headrace.parsing.schema import ParametersSchema

__all__ = ["Calls"]

_NAMING: Final = frozenset({State.BEFORE_NAME, State.NAME, State.CALL_ID, State.CALL_HEADER})
_ARGUING: Final = frozenset(
    {
        State.ARGUMENTS,
        State.STRAY,
        State.KEY,
        State.BEFORE_VALUE,
        State.VALUE,
        State.BEFORE_BODY,
        State.BODY,
        State.BEFORE_CALL_OBJECT,
        State.CALL_OBJECT,
    }
)
_AFTER_KEY: Final = frozenset({State.BEFORE_VALUE, State.VALUE})


class Calls:
    """Knows one call at a time.

    Args:
        tools: as `OutputParser`.
        name_pattern: as `Format`.
        events: where the events go.

    Attributes:
        count: of the calls that have begun.
    """

    def __init__(
        self, tools: Mapping[str, Mapping[str, Any] | None], name_pattern: str, events: list[Event]
    ) -> None:
        self.count = 0
        self._tools = tools
        self._schemas: dict[str, ParametersSchema] = {}
        self._name_pattern = re.compile(name_pattern) if name_pattern else None
        self._events = events
        self._word: list[str] = []  # the name, id or key that is under way
        self._key = ""
        self._name = ""
        self._id = ""
        self._begun = False  # and not ended
        self._has_arguments = False
        self._arguments = ArgumentsWriter(ParametersSchema(None))
        self._json = JsonText(ends=True)
        self._call_object = CallObject()
        self._unnamed: list[str] = []  # what an envelope said before its name
        self._source: ArgumentsWriter | JsonText | CallObject = self._arguments  # of the arguments
        self._leave: dict[State, Callable[[State], None]] = {
            State.NAME: self._leave_name,
            State.CALL_ID: self._leave_id,
            State.KEY: self._leave_key,
            State.VALUE: self._leave_value,
        }
        self._enter: dict[State, Callable[[Transition], None]] = {
            State.VALUE: self._enter_value,
            State.BODY: self._enter_body,
            State.CALL_OBJECT: self._enter_call_object,
        }

    @property
    def is_open(self) -> bool:
        """Whether a call has begun and not ended."""
        return self._begun

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string of JSON."""
        return self._source.in_string

    def write_word(self, text: str) -> int:
        """A piece of a name, an id or a key."""
        self._word.append(text)
        return len(text)

    def write_value(self, text: str) -> int:
        """A piece of an argument's value."""
        self._emit(self._arguments.feed(text))
        return len(text)

    def write_body(self, text: str) -> tuple[int, bool]:
        """A piece of the arguments as JSON: how much of it was used, and whether that was the end."""
        written, used = self._json.feed(text)
        self._emit(written)
        return used, self._json.whole

    def write_call_object(self, text: str) -> tuple[int, bool]:
        """The same of an object that holds name and arguments."""
        used = self._call_object.feed(text)
        if not self._begun:
            if not self._call_object.name:
                self._unnamed.append(text[:used])
                return used, self._call_object.whole
            self._begin(self._call_object.name, self._call_object.id)
            self._source = self._call_object
        self._emit(self._call_object.take_arguments())
        return used, self._call_object.whole

    def go(self, left: State, transition: Transition) -> None:
        """On the way from one state to another."""
        to = transition.to
        if left in self._leave:
            self._leave[left](to)
        if self._name and to not in _NAMING:
            self._begin(self._name, self._id)
        if to in self._enter:
            self._enter[to](transition)
        elif to not in _ARGUING:
            self._end()

    def _take_word(self) -> str:
        word = "".join(self._word)
        self._word.clear()
        return word

    def _leave_name(self, _: State) -> None:
        written = self._take_word().strip()
        found = self._name_pattern.fullmatch(written) if self._name_pattern else None
        self._name, self._id = (found["name"], written) if found else (written, "")

    def _leave_id(self, _: State) -> None:
        self._id = self._take_word().strip()

    def _leave_key(self, to: State) -> None:
        word = self._take_word()
        self._key = word.strip()
        if self._key and to not in _AFTER_KEY:
            self._events.append(Content(word))

    def _leave_value(self, to: State) -> None:
        if to in _ARGUING:
            self._emit(self._arguments.end())

    def _enter_value(self, transition: Transition) -> None:
        self._emit(self._arguments.begin(self._key, transition.kind))

    def _enter_body(self, _: Transition) -> None:
        self._source = self._json = JsonText(ends=True)

    def _enter_call_object(self, _: Transition) -> None:
        self._source = self._call_object = CallObject()

    def _begin(self, name: str, id: str) -> None:
        self._name = self._id = ""
        self._begun, self._has_arguments = True, False
        if name not in self._schemas:
            self._schemas[name] = ParametersSchema(self._tools.get(name))
        self._source = self._arguments = ArgumentsWriter(self._schemas[name])
        self._events.append(ToolCallStart(self.count, name, id))
        self.count += 1

    def _end(self) -> None:
        if self._begun:
            self._emit(self._source.finish())
            if not self._has_arguments:
                self._emit("{}")
            self._events.append(ToolCallEnd(self.count - 1))
            self._begun = False
        elif self._unnamed:
            self._events.append(Content("".join(self._unnamed)))
        self._unnamed.clear()

    def _emit(self, text: str) -> None:
        if text:
            self._has_arguments = True
            self._events.append(ToolCallArguments(self.count - 1, text))
