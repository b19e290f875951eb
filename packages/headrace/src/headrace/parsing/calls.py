"""The calls of one answer: what the modes inside a call do with their text, and on the way between them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.events import Content, Event, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.formats import Mode, Step
from headrace.parsing.arguments import ArgumentsWriter
from headrace.parsing.envelope import Envelope
from headrace.parsing.json_text import JsonText
from headrace.parsing.schema import ParametersSchema

__all__ = ["Calls"]

_NAMING: Final = frozenset({Mode.BEFORE_NAME, Mode.NAME, Mode.CALL_ID, Mode.CALL_HEADER})
_ARGUING: Final = frozenset(
    {
        Mode.ARGUMENTS,
        Mode.STRAY,
        Mode.KEY,
        Mode.BEFORE_VALUE,
        Mode.VALUE,
        Mode.BEFORE_BODY,
        Mode.BODY,
        Mode.BEFORE_ENVELOPE,
        Mode.ENVELOPE,
    }
)
_AFTER_KEY: Final = frozenset({Mode.BEFORE_VALUE, Mode.VALUE})


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
        self._envelope = Envelope()
        self._unnamed: list[str] = []  # what an envelope said before its name
        self._source: ArgumentsWriter | JsonText | Envelope = self._arguments  # of the arguments
        self._leave: dict[Mode, Callable[[Mode], None]] = {
            Mode.NAME: self._leave_name,
            Mode.CALL_ID: self._leave_id,
            Mode.KEY: self._leave_key,
            Mode.VALUE: self._leave_value,
        }
        self._enter: dict[Mode, Callable[[Step], None]] = {
            Mode.VALUE: self._enter_value,
            Mode.BODY: self._enter_body,
            Mode.ENVELOPE: self._enter_envelope,
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

    def write_envelope(self, text: str) -> tuple[int, bool]:
        """The same of an object that holds name and arguments."""
        used = self._envelope.feed(text)
        if not self._begun:
            if not self._envelope.name:
                self._unnamed.append(text[:used])
                return used, self._envelope.whole
            self._begin(self._envelope.name, self._envelope.id)
            self._source = self._envelope
        self._emit(self._envelope.take_arguments())
        return used, self._envelope.whole

    def go(self, left: Mode, step: Step) -> None:
        """On the way from one mode to another."""
        to = step.to
        if left in self._leave:
            self._leave[left](to)
        if self._name and to not in _NAMING:
            self._begin(self._name, self._id)
        if to in self._enter:
            self._enter[to](step)
        elif to not in _ARGUING:
            self._end()

    def _take_word(self) -> str:
        word = "".join(self._word)
        self._word.clear()
        return word

    def _leave_name(self, _: Mode) -> None:
        written = self._take_word().strip()
        found = self._name_pattern.fullmatch(written) if self._name_pattern else None
        self._name, self._id = (found["name"], written) if found else (written, "")

    def _leave_id(self, _: Mode) -> None:
        self._id = self._take_word().strip()

    def _leave_key(self, to: Mode) -> None:
        word = self._take_word()
        self._key = word.strip()
        if self._key and to not in _AFTER_KEY:
            self._events.append(Content(word))

    def _leave_value(self, to: Mode) -> None:
        if to in _ARGUING:
            self._emit(self._arguments.end())

    def _enter_value(self, step: Step) -> None:
        self._emit(self._arguments.begin(self._key, step.kind))

    def _enter_body(self, _: Step) -> None:
        self._source = self._json = JsonText(ends=True)

    def _enter_envelope(self, _: Step) -> None:
        self._source = self._envelope = Envelope()

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
