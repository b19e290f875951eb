"""What a model family's output looks like, as data. `parsing` walks these tables; nothing here acts.

A table says which delimiter leads from which state to which. What the text in a state means, and what
entering or leaving a state does, is the same for every family:

    START           nothing said yet: white space waits
    THINKING        the prompt opened the thinking, and nothing is said yet: white space waits
    REASONING       text is thinking
    OPEN            the thinking has ended: as START, but thinking cannot begin again
    CONTENT         text is the answer
    CALLS           a call may begin, or has just ended: white space waits
    BEFORE_NAME     white space is dropped
    NAME            text is the name of the tool
    CALL_ID         text is the id that the model gave to the call
    ARGUMENTS       between two arguments: white space is dropped
    STRAY           text inside a call where the grammar has none: it is content
    KEY             text is an argument's name
    BEFORE_VALUE    between an argument's name and its value: white space is dropped
    VALUE           text is the value, unescaped; its type comes from the tool's schema
    BEFORE_BODY     between a call's name and its JSON: white space is dropped
    BODY            text is the arguments as one JSON value, which ends the call where it ends itself
    BEFORE_CALL_OBJECT white space is dropped
    CALL_OBJECT        text is a JSON object that holds name and arguments, and ends likewise
    HEADER          text says what follows, and only delimiters in it mean something: it is dropped
    THINKING_HEADER the same, and thinking follows
    CALL_HEADER     the same, and the body of a call follows
    END             a stop token came: the rest is silence

White space that waits belongs to the protocol if a delimiter follows, and to the text if text does.
Protocol white space is blank, tab and line ends, never more than `MAX_SPACE`.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final, Literal, TypeAlias

import msgspec

__all__ = [
    "ANY_TEXT",
    "JSON_ENDS_IN",
    "MAX_SPACE",
    "TEXT_LEADS_TO",
    "Condition",
    "Format",
    "Lookahead",
    "State",
    "Transition",
]

MAX_SPACE: Final = 256
"""Characters of white space in a row that can still be protocol. Keeps what is held back small."""

ANY_TEXT: Final = ""
"""The delimiter that any text is, in a state where white space waits or is dropped."""


class State(Enum):
    """Where in its output a model is; see the module's docstring."""

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
    STRAY = auto()
    KEY = auto()
    BEFORE_VALUE = auto()
    VALUE = auto()
    BEFORE_BODY = auto()
    BODY = auto()
    BEFORE_CALL_OBJECT = auto()
    CALL_OBJECT = auto()
    HEADER = auto()
    THINKING_HEADER = auto()
    CALL_HEADER = auto()
    END = auto()

    __hash__ = object.__hash__  # looked up for every delimiter; Enum's own takes a call of Python


TEXT_LEADS_TO: Final[Mapping[State, State]] = {
    State.START: State.CONTENT,
    State.THINKING: State.REASONING,
    State.OPEN: State.CONTENT,
    State.CALLS: State.CONTENT,
    State.BEFORE_NAME: State.NAME,
    State.ARGUMENTS: State.STRAY,
    State.BEFORE_VALUE: State.VALUE,
    State.BEFORE_BODY: State.BODY,
    State.BEFORE_CALL_OBJECT: State.CALL_OBJECT,
}
"""Where text leads in the states that have no meaning for it."""

JSON_ENDS_IN: Final = State.CALLS
"""Where the end of the JSON leads that a call consists of."""


class Lookahead(Enum):
    """What a condition can look for besides literal text."""

    SPACE = auto()  # protocol white space, or none
    LINE_END = auto()  # blanks, then a line end
    KNOWN_NAME = auto()  # the name of one of the request's tools
    ANY_NAME = auto()  # what could be the name of a tool
    END = auto()  # the end of the output, or a stop token there
    NO_STRING = auto()  # nothing, where the delimiter stands outside the strings of the JSON


Condition: TypeAlias = tuple[tuple[str | Lookahead, ...], ...]
"""A look ahead: a delimiter counts only if one of these sequences follows it.

At the end of the output, a beginning of one is enough: the rest was cut off. Only after `ANY_TEXT`
it is not: what is no markup by itself stays text.
"""


class Transition(msgspec.Struct, frozen=True):
    """Where a delimiter leads.

    Args:
        to: the state.
        condition: on what condition; a delimiter whose condition fails is plain text.
        keep: the delimiter is read again in the new state.
        kind: of a transition into VALUE, what the delimiter tells about the type of the value.
    """

    to: State
    condition: Condition | None = None
    keep: bool = False
    kind: Literal["by schema", "string", "json"] = "by schema"


class Format(msgspec.Struct, frozen=True, eq=False):
    """One family.

    Args:
        name: as in `--format`.
        transitions: (state, delimiter) -> transition. A delimiter with no entry is plain text.
        initial_state: the state in which an answer with thinking starts: THINKING where the
            prompt opens the thinking, so that the output need not. Without thinking it is OPEN.
        stops: tokens that end the output; an engine may leave the last one in the text.
        leads: protocol text at the beginning of a state, dropped once, as far as it is there.
        name_pattern: how a tool's name is written: an expression with a group `name`. What it
            matches as a whole is then the call's id.
    """

    name: str
    transitions: Mapping[tuple[State, str], Transition]
    initial_state: Literal[State.START, State.THINKING] = State.START
    stops: tuple[str, ...] = ()
    leads: Mapping[State, str] = {}
    name_pattern: str = ""
