"""Incremental model output → events, for any family: walks the transitions of a `Format`.

Between two calls of `feed`, the parser keeps its state, the text that is held back (at most a delimiter and
its lookahead) and the current call. `headrace.formats.format` describes the states.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from headrace.events import Content, Event, Reasoning
from headrace.formats import ANY_TEXT, MAX_SPACE, NEXT_AFTER_JSON, Format, State, Transition
from headrace.parsing.call_buffer import CallBuffer
from headrace.parsing.calls import Calls
from headrace.parsing.compiled import tables_of
from headrace.parsing.initial_state import initial_state

__all__ = ["OutputParser"]

_JSON_ENDS: Final = Transition(NEXT_AFTER_JSON)
_TEXT_FOLLOWS: Final = Transition(State.CONTENT)
_REASONING: Final = (State.THINKING, State.REASONING)  # Python 3.11 takes long to find a member
_WITH_LEADING_TEXT: Final = (State.CONTENT, State.REASONING, State.VALUE)
# Characters. Each call is searched for its delimiters up to the end of the text, so many calls in a long
# text would take quadratic time.
_MAX_TEXT: Final = 16_384


class OutputParser:
    """The parser of one answer. How the text is split changes only how the events are split.

    Args:
        format: the family's format.
        tools: the JSON Schema of each tool's parameters, by the tool's name. Without tools, the markup
            of calls is text.
        prompt: the rendered prompt, whose end shows where the output begins; "" if unknown.
        thinking: whether the request enables thinking.
        tool_stream: whether to stream arguments; otherwise, each call is one event.
    """

    def __init__(
        self,
        format: Format,
        tools: Mapping[str, Mapping[str, Any] | None] | None = None,
        *,
        prompt: str = "",
        thinking: bool = True,
        tool_stream: bool = True,
    ) -> None:
        self.is_reasoning = False
        """Whether the model is thinking."""
        self._tools = tools or {}
        self._leading_text = format.leading_text
        self._stop_token = format.stop_tokens[0] if format.stop_tokens else ""
        self._tables = tables_of(format, calls=bool(self._tools))
        self._events: list[Event] = []
        self._calls = Calls(self._tools, format.name_pattern, self._events)
        self._call_buffer = CallBuffer() if self._tools and not tool_stream else None
        self._write: Callable[[str], int]
        self._held = ""  # a possible delimiter and the text after it
        self._space = ""  # buffered white space
        self._leading = ""  # the rest of the leading text
        start = initial_state(format, prompt, thinking=thinking)
        # A model may think although the prompt has closed the thinking: the first tag of an output counts.
        self._enter(State.START if start is State.OPEN else start)

    @property
    def called_tools(self) -> bool:
        """Whether there are calls, all complete, so that the `finish_reason` is `tool_calls`."""
        return self._calls.count > 0 and not self._calls.is_open

    def feed(self, text: str) -> list[Event]:
        """Return the events that `text` completes."""
        if len(text) > _MAX_TEXT:
            return self._feed_parts(text)
        if self._held:
            text, self._held = self._held + text, ""
        self._scan(text, at_end=False)
        if not self._events:
            return []
        events = self._events.copy()
        self._events.clear()
        return events if self._call_buffer is None else self._call_buffer.feed(events)

    def _feed_parts(self, text: str) -> list[Event]:
        # Within `feed`, the comprehension would turn its variables into cells, which each call allocates.
        parts = (text[start : start + _MAX_TEXT] for start in range(0, len(text), _MAX_TEXT))
        return [event for part in parts for event in self.feed(part)]

    def finish(self, *, stopped: bool = False) -> list[Event]:
        """End the output and return the remaining events.

        Args:
            stopped: the model ended the output itself, so an open call is complete. Otherwise the
                output was cut off, and nothing is added to it.
        """
        self._held += self._stop_token if stopped else ""
        self._scan(self._held, at_end=True)
        self._held = ""
        if self._state is State.START and self._space:
            self._go(_TEXT_FOLLOWS, on_text=True)
        self._calls.release_unparsed()
        return self.feed("")

    def _scan(self, text: str, *, at_end: bool) -> None:
        position = 0
        while True:
            state, (lexer, transitions, on_text) = self._state, self._table
            found = (lexer.find_at_end if at_end else lexer.find)(text, position)
            start = len(text) if found is None else found.start()
            if position < start:
                position += self._write(text[position:start])
                if self._state is not state:
                    continue  # the new state has other delimiters
            if found is None:
                return
            if not found.lastindex:
                self._held = text[start:]
                return
            delimiter = found.group()
            for transition, condition in transitions[delimiter]:
                # At the end of the output, a partial match of the condition suffices for a delimiter, but
                # outside of calls not for text.
                counts = condition is None or condition.follows(
                    text,
                    found.end(),
                    self._tools,
                    keys=self._calls.missing_keys,
                    at_end=at_end
                    and transition.partial
                    and (delimiter != ANY_TEXT or state is State.ARGUMENTS),
                    in_string=self._calls.in_string,
                )
                if counts is None and not at_end:
                    self._held = text[start:]
                    return
                if counts:
                    self._go(transition, on_text=delimiter == ANY_TEXT)
                    position = found.end() if transition.consume else start
                    break
            else:
                if on_text is not None:
                    self._go(on_text, on_text=True)
                    position = start
                else:
                    position = start + self._write(delimiter)

    def _go(self, transition: Transition, *, on_text: bool = False) -> None:
        """Take a transition; `on_text` if text caused it, not a delimiter."""
        left, to = self._state, transition.to
        self._calls.go(left, transition)
        self._enter(to)
        self._leading = self._leading_text.get(left if on_text else to, "")
        if self._leading and to in _WITH_LEADING_TEXT:
            self._write = self._write_after_leading_text
        space, self._space = self._space, ""
        if space and on_text:
            self._write(space)

    def _enter(self, state: State) -> None:
        self._state, self._table = state, self._tables[state]
        self.is_reasoning = state in _REASONING
        self._write = self._writer(state)

    def _writer(self, state: State) -> Callable[[str], int]:
        return _WRITERS[state](self) if state in _WRITERS else len

    # The writers process text and return the number of characters used: fewer than all if the text has
    # caused a transition.

    def _buffer_space(self, space: str) -> int:
        used = min(len(space), MAX_SPACE + 1 - len(self._space))
        self._space += space[:used]
        if len(self._space) > MAX_SPACE and self._table.on_text is not None:
            self._go(self._table.on_text, on_text=True)
        return used

    def _write_after_leading_text(self, text: str) -> int:
        rest = text
        while self._leading and rest.startswith(self._leading[0]):
            rest, self._leading = rest[1:], self._leading[1:]
        if rest:
            self._write = self._writer(self._state)
            self._write(rest)
        return len(text)

    def _write_content(self, text: str) -> int:
        self._events.append(Content(text))
        return len(text)

    def _write_reasoning(self, text: str) -> int:
        self._events.append(Reasoning(text))
        return len(text)

    def _write_body(self, text: str) -> int:
        return self._end_json(*self._calls.write_body(text))

    def _write_call_object(self, text: str) -> int:
        return self._end_json(*self._calls.write_call_object(text))

    def _end_json(self, used: int, is_complete: bool) -> int:  # noqa: FBT001 - what the calls return
        if is_complete:
            self._go(_JSON_ENDS)
        return used


_WRITERS: Final[Mapping[State, Callable[[OutputParser], Callable[[str], int]]]] = {
    **dict.fromkeys((State.START, State.THINKING, State.OPEN, State.CALLS), attrgetter("_buffer_space")),
    State.CONTENT: attrgetter("_write_content"),
    State.REASONING: attrgetter("_write_reasoning"),
    **dict.fromkeys(
        (State.NAME, State.CALL_ID, State.KEY, State.ELEMENT, State.ELEMENT_END),
        attrgetter("_calls.write_word"),
    ),
    State.UNPARSED: attrgetter("_calls.write_unparsed"),
    State.VALUE: attrgetter("_calls.write_value"),
    State.ELEMENT_TEXT: attrgetter("_calls.write_element"),
    State.BODY: attrgetter("_write_body"),
    State.KEYWORDS: attrgetter("_write_body"),
    State.CALL_OBJECT: attrgetter("_write_call_object"),
}
"""The method that processes text, by state; the other states drop it."""
