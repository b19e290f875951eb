"""The output format of a model family, as data. `headrace.parsing` walks it.

A format is a transition table: from a state, each delimiter leads to another state. What text means in a
state, and what entering or leaving it does, is the same for every family:

    START              no output yet: white space is buffered
    THINKING           the same, where the prompt has opened the thinking
    REASONING          text is thinking
    OPEN               the thinking has ended: as START, but thinking cannot start again
    CONTENT            text is the answer
    CALLS              before, between and after calls: white space is buffered
    BEFORE_NAME        white space is dropped
    NAME               text is the tool's name
    CALL_ID            text is the call's id, as chosen by the model
    ARGUMENTS          between two arguments: white space is dropped
    UNPARSED           text inside a call that fits no rule of the grammar: it is content, or the arguments if
                       the call has no others
    KEY                text is an argument's name
    ATTRIBUTES         text inside the tag of an argument's name is dropped
    BEFORE_VALUE       between an argument's name and its value: white space is dropped
    VALUE              text is an argument's value; see `Encoding`
    ELEMENT            text is the name of an element that opens: an argument, or a part of one
    ELEMENT_TEXT       text is the value of an element
    ELEMENT_END        text is the name of an element that closes
    BEFORE_BODY        between a call's name and its JSON: white space is dropped
    BODY               text is the arguments as one JSON value; its end is the end of the call
    KEYWORDS           text is the arguments as those of Python, up to `)`, which is the end of the call
    BEFORE_CALL_OBJECT white space is dropped
    CALL_OBJECT        text is a JSON object with name and arguments; its end is the end of the call
    HEADER             text describes the next message and is dropped; only delimiters count
    THINKING_HEADER    the same, and the message is thinking
    CALL_HEADER        the same, and the message is the body of a call
    END                after a stop token: text is dropped

Buffered white space is dropped if a delimiter follows, and is text if text follows. Only blanks, tabs
and line ends count as white space, at most `MAX_SPACE` of them in a row.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, Literal, TypeAlias

import msgspec

__all__ = [
    "ANY_TEXT",
    "MAX_SPACE",
    "NEXT_AFTER_JSON",
    "NEXT_ON_TEXT",
    "Condition",
    "Encoding",
    "Format",
    "Lookahead",
    "State",
    "Syntax",
    "Transition",
    "Transitions",
]

MAX_SPACE: Final = 256
"""The longest run of white space, in characters, that can be part of the markup. Bounds the buffers."""

ANY_TEXT: Final = ""
"""Stands for any text in place of a delimiter, in a state that buffers or drops white space."""


class State(Enum):
    """The states of the parser; see the module's docstring."""

    START = auto()
    THINKING = auto()
    REASONING = auto()
    OPEN = auto()
    CONTENT = auto()
    CALLS = auto()
    BEFORE_NAME = auto()
    NAME = auto()
    CALL_ID = auto()
    ARGUMENTS = auto()
    UNPARSED = auto()
    KEY = auto()
    ATTRIBUTES = auto()
    BEFORE_VALUE = auto()
    VALUE = auto()
    ELEMENT = auto()
    ELEMENT_TEXT = auto()
    ELEMENT_END = auto()
    BEFORE_BODY = auto()
    BODY = auto()
    KEYWORDS = auto()
    BEFORE_CALL_OBJECT = auto()
    CALL_OBJECT = auto()
    HEADER = auto()
    THINKING_HEADER = auto()
    CALL_HEADER = auto()
    END = auto()

    # Enum's own hash is a Python function. Without this line, benchmarks/parsing.py takes 20 % more for
    # "500 short arguments".
    __hash__ = object.__hash__


NEXT_ON_TEXT: Final[Mapping[State, State]] = {
    State.START: State.CONTENT,
    State.THINKING: State.REASONING,
    State.OPEN: State.CONTENT,
    State.CALLS: State.CONTENT,
    State.BEFORE_NAME: State.NAME,
    State.ARGUMENTS: State.UNPARSED,
    State.BEFORE_VALUE: State.VALUE,
    State.BEFORE_BODY: State.BODY,
    State.BEFORE_CALL_OBJECT: State.CALL_OBJECT,
}
"""The state that text leads to, for each state in which text has no meaning of its own."""

NEXT_AFTER_JSON: Final = State.CALLS
"""The state after the text of a BODY, of KEYWORDS or of a CALL_OBJECT."""


class Encoding(Enum):
    """How the markup encodes an argument's value."""

    BY_SCHEMA = auto()  # a string as bare text, any other type as JSON: the tool's schema decides
    TEXT = auto()  # a string as bare text
    JSON = auto()  # JSON; a string stands in quotes
    JSON_EXCEPT_STRING = auto()  # JSON of any type but string; other text is a string


class Lookahead(Enum):
    """What a condition can match besides literal text."""

    SPACE = auto()  # white space, possibly none
    WORDS = auto()  # up to 64 characters of one line, without `<`
    LINE_END = auto()  # blanks, then a line end
    TAGS = auto()  # up to four of the delimiters that BEFORE_NAME drops, and white space, possibly none
    KNOWN_NAME = auto()  # the name of one of the request's tools
    NAME_AND_KEY = auto()  # the name of one of the request's tools with that of an argument stuck to it
    ANY_NAME = auto()  # any name; cut off at the end of the output, the beginning of a known one
    KEY = auto()  # an argument's name, possibly cut off at the end of the output
    KNOWN_KEY = auto()  # the name of an argument that the current call's schema has and the call has not yet
    END = auto()  # the end of the output, or a stop token there
    OUTSIDE_STRING = auto()  # nothing, if the delimiter is outside strings; first in its sequence


Condition: TypeAlias = tuple[tuple[str | Lookahead, ...], ...]
"""Alternative sequences, one of which must follow a delimiter for it to count.

At the end of the output, the beginning of a sequence suffices if the transition is `partial`. Outside of
calls this does not apply to `ANY_TEXT`: text never becomes markup on a partial match.
"""


class Transition(msgspec.Struct, frozen=True):
    """An edge of the table.

    Args:
        to: the next state.
        condition: what must follow the delimiter; without it, the delimiter is plain text.
        otherwise: the transition to try if the condition does not hold.
        partial: whether the beginning of a sequence suffices at the end of the output.
        consume: whether the delimiter is consumed; otherwise it is read again in the next state.
        encoding: of the value, if `to` is VALUE.
    """

    to: State
    condition: Condition | None = None
    otherwise: "Transition | None" = None
    partial: bool = True
    consume: bool = True
    encoding: Encoding = Encoding.BY_SCHEMA


Transitions: TypeAlias = Mapping[tuple[State, str], Transition]
"""(state, delimiter) → transition."""


class Syntax(msgspec.Struct, frozen=True, kw_only=True):
    """How a family writes calls, for constrained decoding: texts with placeholders.

    Args:
        call: one call, with `{name}` and `{arguments}`; `{index}` is a number and `{id}` an id of its own.
        calls: all calls, as `{calls}`.
        separator: between two calls.
        argument: one argument, with `{key}` and `{value}`; "" if the arguments are one JSON object.
        value_end: what follows a string, which then is bare text; "" if strings are JSON.
        json_argument: an argument whose value is JSON; "" if it is written as a string is.
        argument_separator: between two arguments.
        key_pattern: regular expression for the keys that can be written; "" for any.
        answer: an answer of JSON, as `{answer}`.
        thinking: the texts around the thinking, if they are not `thinking_tags`.
    """

    call: str
    calls: str = "{calls}"
    separator: str = ""
    argument: str = ""
    value_end: str = ""
    json_argument: str = ""
    argument_separator: str = ""
    key_pattern: str = ""
    answer: str = "{answer}"
    thinking: tuple[str, str] | None = None


class Format(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The output format of one family.

    Args:
        name: for `--format`.
        aliases: names of families with the same format.
        model_names: regular expression to search for in a model's name, ignoring case; "" if there is none.
        signs: texts in the prompts of the family and of no other with the same calls.
        thinking_tags: the tags around the thinking, None if the family does not think; their transitions are
            added to `transitions`.
        transitions: (state, delimiter) → transition. A delimiter without an entry is plain text.
        initial_state: the first state of an answer with thinking: THINKING if the prompt usually opens the
            thinking. It counts only if the prompt is not known.
        always_thinks: whether no model of the family has a switch for the thinking.
        stop_tokens: tokens that end the output. An engine may leave the last one in the text.
        leading_text: markup at the beginning of a state that is dropped, as far as it is present.
        name_pattern: regular expression with a group `name`, for families that write the tool's name
            as part of the call's id.
        syntax: how it writes calls; None if no call can be forced.
    """

    name: str
    aliases: tuple[str, ...] = ()
    model_names: str = ""
    signs: tuple[str, ...] = ()
    thinking_tags: tuple[str, str] | None = None
    transitions: Transitions
    initial_state: Literal[State.START, State.THINKING] = State.START
    always_thinks: bool = False
    stop_tokens: tuple[str, ...] = ()
    leading_text: Mapping[State, str] = {}
    name_pattern: str = ""
    syntax: Syntax | None = None

    def __post_init__(self) -> None:
        if self.thinking_tags:
            opening, closing = self.thinking_tags
            thinking: Transitions = {
                (State.START, opening): Transition(State.REASONING),
                # The prompt has opened the thinking; the output may repeat the tag.
                (State.THINKING, opening): Transition(State.REASONING),
                (State.THINKING, closing): Transition(State.OPEN),
                (State.REASONING, closing): Transition(State.OPEN),
                # A call may precede the end of the thinking.
                (State.CALLS, closing): Transition(State.OPEN),
            }
            msgspec.structs.force_setattr(self, "transitions", {**thinking, **self.transitions})
