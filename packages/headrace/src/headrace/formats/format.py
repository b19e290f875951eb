"""What a model family's output looks like, as data. `parsing` walks these tables; nothing here acts.

A table says which marker leads from which mode to which. What the text in a mode means, and what
entering or leaving a mode does, is the same for every family:

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
    BEFORE_ENVELOPE white space is dropped
    ENVELOPE        text is a JSON object that holds name and arguments, and ends likewise
    HEADER          text says what follows, and only markers in it mean something: it is dropped
    THINKING_HEADER the same, and thinking follows
    CALL_HEADER     the same, and the body of a call follows
    END             a stop token came: the rest is silence

White space that waits belongs to the protocol if a marker follows, and to the text if text does.
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
    "Format",
    "Guard",
    "Look",
    "Mode",
    "Step",
]

MAX_SPACE: Final = 256
"""Characters of white space in a row that can still be protocol. Keeps what is held back small."""

ANY_TEXT: Final = ""
"""The marker that any text is, in a mode where white space waits or is dropped."""


class Mode(Enum):
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
    BEFORE_ENVELOPE = auto()
    ENVELOPE = auto()
    HEADER = auto()
    THINKING_HEADER = auto()
    CALL_HEADER = auto()
    END = auto()

    __hash__ = object.__hash__  # looked up for every marker; Enum's own takes a call of Python


TEXT_LEADS_TO: Final[Mapping[Mode, Mode]] = {
    Mode.START: Mode.CONTENT,
    Mode.THINKING: Mode.REASONING,
    Mode.OPEN: Mode.CONTENT,
    Mode.CALLS: Mode.CONTENT,
    Mode.BEFORE_NAME: Mode.NAME,
    Mode.ARGUMENTS: Mode.STRAY,
    Mode.BEFORE_VALUE: Mode.VALUE,
    Mode.BEFORE_BODY: Mode.BODY,
    Mode.BEFORE_ENVELOPE: Mode.ENVELOPE,
}
"""Where text leads in the modes that have no meaning for it."""

JSON_ENDS_IN: Final = Mode.CALLS
"""Where the end of the JSON leads that a call consists of."""


class Look(Enum):
    """What a guard can look for besides literal text."""

    SPACE = auto()  # protocol white space, or none
    LINE_END = auto()  # blanks, then a line end
    KNOWN_NAME = auto()  # the name of one of the request's tools
    ANY_NAME = auto()  # what could be the name of a tool
    END = auto()  # the end of the output, or a stop token there
    NO_STRING = auto()  # nothing, where the marker stands outside the strings of the JSON


Guard: TypeAlias = tuple[tuple[str | Look, ...], ...]
"""A look ahead: a marker counts only if one of these sequences follows it.

At the end of the output, a beginning of one is enough: the rest was cut off. Only after `ANY_TEXT`
it is not: what is no markup by itself stays text.
"""


class Step(msgspec.Struct, frozen=True):
    """Where a marker leads.

    Args:
        to: the mode.
        guard: on what condition; a marker whose guard fails is plain text.
        keep: the marker is read again in the new mode.
        kind: of a step into VALUE, what the marker tells about the type of the value.
    """

    to: Mode
    guard: Guard | None = None
    keep: bool = False
    kind: Literal["by schema", "string", "json"] = "by schema"


class Format(msgspec.Struct, frozen=True, eq=False):
    """One family.

    Args:
        name: as in `--format`.
        steps: (mode, marker) -> step. A marker with no entry is plain text.
        thinking_starts: the mode in which an answer with thinking starts: THINKING where the
            prompt opens the thinking, so that the output need not. Without thinking it is OPEN.
        stops: tokens that end the output; an engine may leave the last one in the text.
        leads: protocol text at the beginning of a mode, dropped once, as far as it is there.
        name_pattern: how a tool's name is written: an expression with a group `name`. What it
            matches as a whole is then the call's id.
    """

    name: str
    steps: Mapping[tuple[Mode, str], Step]
    thinking_starts: Literal[Mode.START, Mode.THINKING] = Mode.START
    stops: tuple[str, ...] = ()
    leads: Mapping[Mode, str] = {}
    name_pattern: str = ""
