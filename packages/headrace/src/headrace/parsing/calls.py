"""The calls of one answer: what text means inside a call, and what the transitions of a call do."""

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import Any, Final

import msgspec

from headrace.events import Content, Event, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.formats import State, Transition
from headrace.parsing.arguments import ArgumentsWriter
from headrace.parsing.call_object import CallObject
from headrace.parsing.elements import ElementsWriter
from headrace.parsing.json_text import JsonText
from headrace.parsing.keyword_arguments import KeywordArguments
from headrace.parsing.schema import ParametersSchema

__all__ = ["Calls"]

_BEFORE_ARGUMENTS: Final = frozenset({State.BEFORE_NAME, State.NAME, State.CALL_ID, State.CALL_HEADER})
_IN_ARGUMENTS: Final = frozenset(
    {
        State.ARGUMENTS,
        State.UNPARSED,
        State.KEY,
        State.ATTRIBUTES,
        State.BEFORE_VALUE,
        State.VALUE,
        State.ELEMENT_TEXT,
        State.ELEMENT,
        State.ELEMENT_END,
        State.BEFORE_BODY,
        State.BODY,
        State.KEYWORDS,
        State.BEFORE_CALL_OBJECT,
        State.CALL_OBJECT,
    }
)
_FENCED: Final = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
_AFTER_KEY: Final = frozenset({State.ATTRIBUTES, State.BEFORE_VALUE, State.VALUE})


class _Wrapper(msgspec.Struct, forbid_unknown_fields=True):
    arguments: msgspec.Raw
    name: str = ""


_NO_SOURCE: Final = JsonText(ends=True)  # never fed
_decode_wrapper: Final = msgspec.json.Decoder(_Wrapper).decode


class Calls:
    """One call at a time.

    Args:
        tools: see `OutputParser`.
        name_pattern: see `Format`.
        events: the list to append events to.

    Attributes:
        count: the number of calls that have begun.
        missing_keys: the names of the arguments that the current call lacks.
    """

    def __init__(
        self, tools: Mapping[str, Mapping[str, Any] | None], name_pattern: str, events: list[Event]
    ) -> None:
        self.count = 0
        self.missing_keys: dict[str, None] = {}
        self._tools = tools
        self._schemas: dict[str, ParametersSchema] = {}
        self._name_pattern = re.compile(name_pattern) if name_pattern else None
        self._events = events
        self._word: list[str] = []  # the current name, id or key
        self._key = ""
        self._name = ""
        self._id = ""
        self._is_open = False
        self._has_arguments = False
        self._json: JsonText | KeywordArguments  # these three begin with their states
        self._elements: ElementsWriter
        self._call_object: CallObject
        self._unnamed: list[str] = []  # the text of a call object before its name
        self._unparsed: list[str] = []  # text where the arguments belong, before any argument
        self._source: ArgumentsWriter | JsonText | KeywordArguments | CallObject = _NO_SOURCE
        """Of the current arguments."""

    # Until a call begins: a value before its call would otherwise be an internal error.
    _arguments = cached_property(lambda _: ArgumentsWriter(ParametersSchema(None)))

    @property
    def is_open(self) -> bool:
        """Whether a call has begun and not ended."""
        return self._is_open

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string of JSON."""
        return self._source.in_string

    def write_word(self, text: str) -> int:
        """Process text of a name, an id or a key; return the number of characters used."""
        self._word.append(text)
        return len(text)

    def write_value(self, text: str) -> int:
        """Process text of an argument's value; return the number of characters used."""
        self._emit(self._arguments.feed(text))
        return len(text)

    def write_element(self, text: str) -> int:
        """Process text of an element; return the number of characters used."""
        self._emit(self._elements.feed(text))
        return len(text)

    def write_unparsed(self, text: str) -> int:
        """Process text that fits no rule of the grammar; return the number of characters used."""
        if self._has_arguments or not self._is_open:
            self._events.append(Content(text))
        else:
            self._unparsed.append(text)
        return len(text)

    def release_unparsed(self) -> None:
        """Emit such text as content: there are other arguments, or the output has been cut off."""
        if self._unparsed:
            self._events.append(Content("".join(self._unparsed)))
            self._unparsed.clear()

    def write_body(self, text: str) -> tuple[int, bool]:
        """Process text of a body; return the number of characters used, and whether it is complete."""
        output, used = self._json.feed(text)
        self._emit(output)
        return used, self._json.is_complete

    def write_call_object(self, text: str) -> tuple[int, bool]:
        """Process text of an object with name and arguments; return the same as `write_body`."""
        used = self._call_object.feed(text)
        if not self._is_open:
            if not self._call_object.name:
                self._unnamed.append(text[:used])
                return used, self._call_object.is_complete
            self._begin(self._call_object.name, self._call_object.id)
            self._source = self._call_object
        self._emit(self._call_object.take_arguments())
        return used, self._call_object.is_complete

    def go(self, left: State, transition: Transition) -> None:
        """Process a transition from the state `left`."""
        to = transition.to
        if left in _LEAVE:
            _LEAVE[left](self)(to)
        if self._name and to not in _BEFORE_ARGUMENTS:
            self._begin(self._name, self._id)
        if to in _ENTER:
            _ENTER[to](self)(transition)
        elif to not in _IN_ARGUMENTS:
            self._end()

    def _take_word(self) -> str:
        word = "".join(self._word)
        self._word.clear()
        return word

    def _leave_name(self, to: State) -> None:
        written = self._take_word().strip()
        if to is State.BEFORE_VALUE:  # the tag between the name and the first key is missing
            self._name, self._key = self._split(written)
            return
        found = self._name_pattern.fullmatch(written) if self._name_pattern else None
        self._name, self._id = (found["name"], written) if found else (written, self._id)

    def _split(self, word: str) -> tuple[str, str]:
        """Split a tool's name from the name of an argument, if possible one that the tool has."""
        splits = [(name, word.removeprefix(name)) for name in self._tools if word.startswith(name)]
        return max(
            splits,
            key=lambda split: (split[1] in self._schema(split[0]).keys, len(split[0])),
            default=(word, ""),
        )

    def _leave_id(self, _: State) -> None:
        self._id = self._take_word().strip()

    def _leave_key(self, to: State) -> None:
        word = self._take_word()
        self._key = word.strip()
        if self._key and to not in _AFTER_KEY:
            self._events.append(Content(word))

    def _leave_value(self, to: State) -> None:
        if to in _IN_ARGUMENTS:
            self._emit(self._arguments.end())

    def _leave_element(self, to: State) -> None:
        name = self._take_word().strip()
        if name or to is State.ELEMENT_TEXT:
            self._emit(self._elements.open(name))

    def _leave_element_end(self, _: State) -> None:
        name = self._take_word().strip()
        if isinstance(self._source, ElementsWriter):
            self._emit(self._source.close(name))

    def _enter_value(self, transition: Transition) -> None:
        if self._unparsed:
            self.release_unparsed()
        self.missing_keys.pop(self._key, None)
        self._emit(self._arguments.begin(self._key, transition.encoding))

    def _enter_element(self, _: Transition) -> None:
        if not isinstance(self._source, ElementsWriter):
            self._source = self._elements = ElementsWriter(self._arguments.schema)

    def _enter_body(self, _: Transition) -> None:
        self._source = self._json = JsonText(ends=True)

    def _enter_keywords(self, _: Transition) -> None:
        self._source = self._json = KeywordArguments(self.missing_keys)

    def _enter_call_object(self, _: Transition) -> None:
        self._source = self._call_object = CallObject()

    def _begin(self, name: str, id: str) -> None:
        self._name = self._id = ""
        self._is_open, self._has_arguments = True, False
        schema = self._schema(name)
        self.missing_keys = dict.fromkeys(schema.keys)
        self._source = self._arguments = ArgumentsWriter(schema)
        self._events.append(ToolCallStart(self.count, name, id))
        self.count += 1

    def _schema(self, name: str) -> ParametersSchema:
        if name not in self._schemas:
            self._schemas[name] = ParametersSchema(self._tools.get(name))
        return self._schemas[name]

    def _end(self) -> None:
        if self._is_open:
            self._emit(self._take_arguments() or self._source.finish())
            if not self._has_arguments:
                self._emit("{}")
            self._events.append(ToolCallEnd(self.count - 1))
            self._is_open = False
        elif self._unnamed:
            self._events.append(Content("".join(self._unnamed)))
        self._unnamed.clear()

    def _take_arguments(self) -> str:
        """Return the unparsed text if it must be the arguments: JSON, or what the client has to reject."""
        text = "".join(self._unparsed).strip()
        if fenced := _FENCED.fullmatch(text):
            text = fenced[1]
        if not text.startswith("{") and not self.missing_keys:
            self.release_unparsed()
            return ""
        self._unparsed.clear()
        json = JsonText(ends=False)
        return self._without_wrapper(json.feed(text)[0] + json.finish())

    def _without_wrapper(self, arguments: str) -> str:
        """Return the inner object of `{"name": …, "arguments": {…}}`, unless the tool has such parameters."""
        try:
            wrapper = _decode_wrapper(arguments)
        except msgspec.DecodeError:
            return arguments
        return arguments if "arguments" in self.missing_keys else bytes(wrapper.arguments).decode()

    def _emit(self, text: str) -> None:
        if text:
            self._has_arguments = True
            self._events.append(ToolCallArguments(self.count - 1, text))


_LEAVE: Final[Mapping[State, Callable[[Calls], Callable[[State], None]]]] = {
    State.NAME: attrgetter("_leave_name"),
    State.CALL_ID: attrgetter("_leave_id"),
    State.KEY: attrgetter("_leave_key"),
    State.VALUE: attrgetter("_leave_value"),
    State.ELEMENT: attrgetter("_leave_element"),
    State.ELEMENT_END: attrgetter("_leave_element_end"),
}
_ENTER: Final[Mapping[State, Callable[[Calls], Callable[[Transition], None]]]] = {
    State.VALUE: attrgetter("_enter_value"),
    State.ELEMENT: attrgetter("_enter_element"),
    State.BODY: attrgetter("_enter_body"),
    State.KEYWORDS: attrgetter("_enter_keywords"),
    State.CALL_OBJECT: attrgetter("_enter_call_object"),
}
"""The methods that process a transition, by the state that is left, and by the one that is entered."""
