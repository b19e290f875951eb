"""A model's output, in pieces → events. Walks a family's table; knows no family.

The state is a state, the text that is held back (never more than a delimiter and its look-ahead), and
the call that is under way. What a state does with its text and what happens on the way from one state
to another is the same for all families; see `headrace.formats.format`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from headrace.events import Content, Event, Reasoning
from headrace.formats import ANY_TEXT, JSON_ENDS_IN, MAX_SPACE, Format, State, Transition
from headrace.parsing.calls import Calls
from headrace.parsing.tables import tables_of
from headrace.parsing.whole_calls import WholeCalls

__all__ = ["OutputParser"]

_JSON_ENDS: Final = Transition(JSON_ENDS_IN)
_TEXT_FOLLOWS: Final = Transition(State.CONTENT)
_MEANING_TEXT: Final = (State.CONTENT, State.REASONING, State.VALUE)
_MAX_PIECE: Final = (
    16_384  # characters; the next delimiter is looked for in the whole of a piece, call by call
)


class OutputParser:
    """Reads one answer. How its text is cut makes no difference to what its events add up to.

    Args:
        format: the family's table.
        tools: the JSON Schema of each tool's parameters, by the tool's name. With no tools, the
            markup of calls is text.
        thinking: whether the prompt asked for thinking.
        tool_stream: arguments leave as they come; otherwise each call leaves whole.
    """

    def __init__(
        self,
        format: Format,
        tools: Mapping[str, Mapping[str, Any] | None] | None = None,
        *,
        thinking: bool = True,
        tool_stream: bool = True,
    ) -> None:
        self._tools = tools or {}
        self._leads = format.leads
        self._stop = format.stops[0] if format.stops else ""
        self._tables = tables_of(format, calls=bool(self._tools))
        self._events: list[Event] = []
        self._calls = Calls(self._tools, format.name_pattern, self._events)
        self._whole_calls = None if tool_stream else WholeCalls()
        # What each state does with text; in the others, text is dropped.
        self._writers: dict[State, Callable[[str], int]] = {
            **dict.fromkeys((State.START, State.THINKING, State.OPEN, State.CALLS), self._wait),
            **dict.fromkeys((State.CONTENT, State.STRAY), self._write_content),
            **dict.fromkeys((State.NAME, State.CALL_ID, State.KEY), self._calls.write_word),
            State.REASONING: self._write_reasoning,
            State.VALUE: self._calls.write_value,
            State.BODY: partial(self._write_json, self._calls.write_body),
            State.CALL_OBJECT: partial(self._write_json, self._calls.write_call_object),
        }
        self._write: Callable[[str], int]
        self._held = ""  # a possible delimiter, and what follows it
        self._space = ""  # white space that waits
        self._lead = ""  # protocol text that may come next
        self._enter(format.initial_state if thinking else State.OPEN)

    @property
    def is_reasoning(self) -> bool:
        """True while the model is thinking."""
        return self._state in (State.THINKING, State.REASONING)

    @property
    def called_tools(self) -> bool:
        """True if there were calls, and none is half: the answer's `finish_reason` is then `tool_calls`."""
        return self._calls.count > 0 and not self._calls.is_open

    def feed(self, text: str) -> list[Event]:
        """The events that `text` completes, in its order."""
        if len(text) > _MAX_PIECE:
            pieces = (text[start : start + _MAX_PIECE] for start in range(0, len(text), _MAX_PIECE))
            return [event for piece in pieces for event in self.feed(piece)]
        if self._held:
            text, self._held = self._held + text, ""
        self._scan(text, at_end=False)
        if not self._events:
            return []
        events = self._events.copy()
        self._events.clear()
        return events if self._whole_calls is None else self._whole_calls.feed(events)

    def finish(self, *, stopped: bool = False) -> list[Event]:
        """No more text will come: what was held back leaves as the text that it is.

        With `stopped`, the model itself ended the output, so that a call which it left open is
        whole. Otherwise it was cut off, and nothing is added to what it said.
        """
        self._held += self._stop if stopped else ""
        self._scan(self._held, at_end=True)
        self._held = ""
        if self._state is State.START and self._space:
            self._go(_TEXT_FOLLOWS, by_text=True)
        events = self.feed("")
        return events if self._whole_calls is None else events + self._whole_calls.finish()

    def _scan(self, text: str, *, at_end: bool) -> None:
        position = 0
        while True:
            state, (lexer, rows, otherwise) = self._state, self._table
            found = (lexer.find_at_end if at_end else lexer.find)(text, position)
            start = len(text) if found is None else found.start()
            if position < start:
                position += self._write(text[position:start])
                if self._state is not state:
                    continue  # in the new state, other delimiters count
            if found is None:
                return
            if not found.lastindex:
                self._held = text[start:]
                return
            delimiter = found.group()
            transition, condition = rows[delimiter]
            # At the end of output a partial match accepts a delimiter, but never turns text into one.
            counts = condition is None or condition.follows(
                text,
                found.end(),
                self._tools,
                at_end=at_end and delimiter != ANY_TEXT,
                in_string=self._calls.in_string,
            )
            if counts is None and not at_end:
                self._held = text[start:]
                return
            if counts:
                self._go(transition, by_text=delimiter == ANY_TEXT)
                position = start if transition.keep else found.end()
            elif otherwise is not None:
                self._go(otherwise, by_text=True)
                position = start
            else:
                position = start + self._write(delimiter)

    def _go(self, transition: Transition, *, by_text: bool = False) -> None:
        """Leave a state and enter another; `by_text` if it is text that led there."""
        left, to = self._state, transition.to
        self._calls.go(left, transition)
        self._enter(to)
        self._lead = self._leads.get(left if by_text else to, "")
        if self._lead and to in _MEANING_TEXT:
            self._write = self._write_after_lead
        space, self._space = self._space, ""
        if space and by_text:
            self._write(space)

    def _enter(self, state: State) -> None:
        self._state, self._table = state, self._tables[state]
        self._write = self._writers.get(state, len)

    # What follows writes text and returns how much of it was used: less than all where it led into
    # another state.

    def _wait(self, space: str) -> int:
        """White space before text or a delimiter."""
        used = min(len(space), MAX_SPACE + 1 - len(self._space))
        self._space += space[:used]
        if len(self._space) > MAX_SPACE and self._table.otherwise is not None:
            self._go(self._table.otherwise, by_text=True)
        return used

    def _write_after_lead(self, text: str) -> int:
        rest = text
        while self._lead and rest.startswith(self._lead[0]):
            rest, self._lead = rest[1:], self._lead[1:]
        if rest:
            self._write = self._writers[self._state]
            self._write(rest)
        return len(text)

    def _write_content(self, text: str) -> int:
        self._events.append(Content(text))
        return len(text)

    def _write_reasoning(self, text: str) -> int:
        self._events.append(Reasoning(text))
        return len(text)

    def _write_json(self, write: Callable[[str], tuple[int, bool]], text: str) -> int:
        used, whole = write(text)
        if whole:
            self._go(_JSON_ENDS)
        return used
