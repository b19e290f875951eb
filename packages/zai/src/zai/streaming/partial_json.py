"""Incomplete JSON text → the value received so far. Never raises.

A state machine reads each character once, however often the value is read. The value has what is certain: a
key once its value starts, the received part of a string, but a number or a literal only once it is complete,
since `1` may become `12`. Complete text is read as `json.loads` does, without its NaN and Infinity; what
follows an error is ignored.
"""

import json
import re
from enum import Enum, auto
from typing import Any, Final

__all__ = ["PartialJson"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SCALAR: Final = re.compile(r"[^\s,\]}]*")
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f]*')
_PAIR: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")  # one character
_ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _State(Enum):
    VALUE = auto()
    FIRST = auto()  # a value, or the end of the list
    FIRST_KEY = auto()  # a key, or the end of the object
    KEY = auto()
    COLON = auto()
    STRING = auto()
    SCALAR = auto()
    AFTER = auto()  # a comma, or the end of the container
    END = auto()
    INVALID = auto()


class PartialJson:
    """Parses text in fragments; `value` is the same object each time, and grows."""

    def __init__(self) -> None:
        self.scanned = 0
        """The number of characters parsed: no more than were fed, except for escapes that were split."""
        self._pending: list[str] = []
        self._root: list[Any] = []  # the value, if its type is known
        self._open: list[Any] = [self._root]  # the containers of the next value
        self._keys: list[str] = []  # the current key of each open object
        self._state = _State.VALUE
        self._is_key = False  # the current string is a key
        self._scalar: list[str] = []  # the fragments of a number or a literal
        self._text: list[str] = []  # the new fragments of the string
        self._is_stored = False  # the container has the first fragments of the string

    def feed(self, text: str) -> None:
        """Store a fragment; it is parsed when the value is read."""
        self._pending.append(text)

    @property
    def is_complete(self) -> bool:
        """Whether the text so far is a complete value, and nothing more."""
        _ = self.value
        return self._state is _State.END

    @property
    def value(self) -> Any:
        """The value received so far; None if not even its type is known."""
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            at = 0
            while at < len(text) and self._state is not _State.INVALID:
                start, at = at, self._advance(text, at)
                self.scanned += at - start
                if at == start and at < len(text) and self._is_split_escape(text, at):
                    self._pending.append(text[at:])
                    break
            self._store_string()
        return self._root[0] if self._root else None

    def _is_split_escape(self, text: str, at: int) -> bool:
        return self._state is _State.STRING and text[at] == "\\"

    def _advance(self, text: str, at: int) -> int:
        """Parse the next token and return its end: `at` if only the state changes, or more text is needed."""
        if self._state is _State.STRING:
            return self._string(text, at)
        if self._state is _State.SCALAR:
            return self._more_scalar(text, at)
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it always matches
        if at == len(text):
            return at
        char = text[at]
        if self._state is _State.COLON:
            self._state = _State.VALUE if char == ":" else _State.INVALID
        elif self._state is _State.END:
            self._state = _State.INVALID
        elif self._state is _State.AFTER:
            self._after(char)
        elif char in "]}" and self._state in (_State.FIRST, _State.FIRST_KEY):
            self._close(char)
        elif self._state in (_State.FIRST_KEY, _State.KEY):
            self._state, self._is_key = (_State.STRING, True) if char == '"' else (_State.INVALID, False)
        else:
            return self._value(char, at)
        return at + 1

    def _value(self, char: str, at: int) -> int:
        if char == '"':
            self._state, self._is_key, self._is_stored = _State.STRING, False, False
            self._text.append("")
        elif char in "{[":
            self._open_container({} if char == "{" else [])
        else:
            self._state = _State.SCALAR
            return at
        return at + 1

    def _open_container(self, container: Any) -> None:
        self._put(container)
        self._open.append(container)
        self._state = _State.FIRST_KEY if isinstance(container, dict) else _State.FIRST

    def _after(self, char: str) -> None:
        if char == ",":
            self._state = _State.KEY if isinstance(self._open[-1], dict) else _State.VALUE
        else:
            self._close(char)

    def _close(self, char: str) -> None:
        if char != ("}" if isinstance(self._open[-1], dict) else "]") or len(self._open) == 1:
            self._state = _State.INVALID
            return
        self._open.pop()
        self._end_value()

    def _end_value(self) -> None:
        if isinstance(self._open[-1], dict):
            self._keys.pop()
        self._state = _State.AFTER if len(self._open) > 1 else _State.END

    def _more_scalar(self, text: str, at: int) -> int:
        end = _SCALAR.match(text, at).end()  # type: ignore[union-attr]  # it always matches
        self._scalar.append(text[at:end])
        if end < len(text):
            try:
                value = json.loads("".join(self._scalar), parse_constant=_reject)
            except ValueError:
                self._state = _State.INVALID
                return end
            self._scalar.clear()
            self._put(value)
            self._end_value()
        return end

    def _string(self, text: str, at: int) -> int:
        end = _PLAIN.match(text, at).end()  # type: ignore[union-attr]  # it always matches
        if end > at:
            self._text.append(text[at:end])
        elif text[at] == '"':
            self._end_string()
            end += 1
        elif text[at] == "\\":
            end = self._escape(text, at)
        else:
            self._state = _State.INVALID  # a control character
        return end

    def _escape(self, text: str, at: int) -> int:
        kind = text[at + 1 : at + 2]
        length = 6 if kind == "u" else 2
        escape = text[at : at + length]
        if len(escape) < length:
            return at
        if kind != "u":
            if kind in _ESCAPES:
                self._text.append(_ESCAPES[kind])
            else:
                self._state = _State.INVALID
            return at + 2
        if "\\ud800" <= escape.lower() <= "\\udbff":
            if len(text) < at + 12 and "\\u".startswith(text[at + 6 : at + 8]):
                return at  # the low surrogate may follow
            if pair := _PAIR.match(text, at):
                escape = pair[0]
        try:
            self._text.append(json.loads(f'"{escape}"'))
        except ValueError:
            self._state = _State.INVALID
        return at + len(escape)

    def _end_string(self) -> None:
        if self._is_key:
            self._keys.append("".join(self._text))
            self._text.clear()
            self._state = _State.COLON
        else:
            self._store_string()
            self._end_value()

    def _store_string(self) -> None:
        """Add the new fragments of a string to its container."""
        if self._is_key or not self._text:
            return
        more = "".join(self._text)
        self._text.clear()
        if not self._is_stored:
            self._put(more)
            self._is_stored = True
            return
        container = self._open[-1]
        place: Any = self._keys[-1] if isinstance(container, dict) else -1
        # CPython extends a string in place, without a copy, while a local variable is its only reference.
        string = container[place]
        container[place] = None
        string += more
        container[place] = string

    def _put(self, value: Any) -> None:
        container = self._open[-1]
        if isinstance(container, dict):
            container[self._keys[-1]] = value
        else:
            container.append(value)


def _reject(constant: str) -> None:
    raise ValueError(constant)
