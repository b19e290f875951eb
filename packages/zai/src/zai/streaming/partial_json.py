"""JSON text that is still being written → the value as far as it has come. Never raises.

A machine of a few states walks over each character once, however often the value is asked for. What is
certain shows: an object's key as soon as its value begins, a string as far as it goes; a number or a
literal only when it is whole, since `1` may become `12`.
"""

import json
import re
from enum import Enum, auto
from typing import Any, Final

__all__ = ["PartialJson"]

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_SCALAR: Final = re.compile(r"[^\s,\]}]*")
_PLAIN: Final = re.compile(r'[^"\\]*')
_ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class _State(Enum):
    VALUE = auto()
    FIRST = auto()  # a value, or the end of the list
    KEY = auto()  # a key, or the end of the object
    COLON = auto()
    STRING = auto()
    SCALAR = auto()
    AFTER = auto()  # a comma, or the end of what is open
    END = auto()
    BROKEN = auto()


class PartialJson:
    """Takes the text in pieces; `value` is the same object each time, and grows."""

    def __init__(self) -> None:
        self.scanned = 0
        """How many characters have been looked at: never more than were fed, but for a cut escape."""
        self._pending: list[str] = []
        self._root: list[Any] = []  # empty, or the value
        self._open: list[Any] = [self._root]  # the containers around what comes next
        self._keys: list[str] = []  # for each open object the key whose value is under way
        self._state = _State.VALUE
        self._is_key = False  # the string under way is a key
        self._scalar = ""
        self._text: list[str] = []  # the string's new pieces
        self._begun = False  # the string stands in its container already

    def feed(self, text: str) -> None:
        """Keep the piece; it is looked at when the value is asked for."""
        self._pending.append(text)

    @property
    def value(self) -> Any:
        """As far as it has come; None if not even its kind is known."""
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            at = 0
            while at < len(text) and self._state not in (_State.END, _State.BROKEN):
                start, at = at, self._step(text, at)
                self.scanned += at - start
                if at == start and at < len(text) and self._waits(text, at):
                    self._pending.append(text[at:])
                    break
            self._show_string()
        return self._root[0] if self._root else None

    @property
    def is_whole(self) -> bool:
        """Nothing of it is still to come."""
        _ = self.value
        return self._state is _State.END

    def _waits(self, text: str, at: int) -> bool:
        """An escape that the piece cut in two waits for the rest of it."""
        return self._state is _State.STRING and text[at] == "\\"

    def _step(self, text: str, at: int) -> int:
        """Look at what stands at `at`; where it ends. Standing still changes the state, or waits."""
        if self._state is _State.STRING:
            return self._string(text, at)
        if self._state is _State.SCALAR:
            return self._more_scalar(text, at)
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # it always matches
        if at == len(text):
            return at
        char = text[at]
        if self._state is _State.COLON:
            self._state = _State.VALUE if char == ":" else _State.BROKEN
        elif self._state is _State.AFTER:
            self._after(char)
        elif char in "]}" and self._state in (_State.FIRST, _State.KEY):
            self._close(char)
        elif self._state is _State.KEY:
            self._state, self._is_key = (_State.STRING, True) if char == '"' else (_State.BROKEN, False)
        else:
            return self._value(char, at)
        return at + 1

    def _value(self, char: str, at: int) -> int:
        if char == '"':
            self._state, self._is_key, self._begun = _State.STRING, False, False
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
        self._state = _State.KEY if isinstance(container, dict) else _State.FIRST

    def _after(self, char: str) -> None:
        if char == ",":
            self._state = _State.KEY if isinstance(self._open[-1], dict) else _State.VALUE
        else:
            self._close(char)

    def _close(self, char: str) -> None:
        if char != ("}" if isinstance(self._open[-1], dict) else "]") or len(self._open) == 1:
            self._state = _State.BROKEN
            return
        self._open.pop()
        self._leave()

    def _leave(self) -> None:
        """A value is whole."""
        if isinstance(self._open[-1], dict):
            self._keys.pop()
        self._state = _State.AFTER if len(self._open) > 1 else _State.END

    def _more_scalar(self, text: str, at: int) -> int:
        end = _SCALAR.match(text, at).end()  # type: ignore[union-attr]  # it always matches
        self._scalar += text[at:end]
        if end < len(text):
            try:
                value = json.loads(self._scalar)
            except ValueError:
                self._state = _State.BROKEN
                return end
            self._scalar = ""
            self._put(value)
            self._leave()
        return end

    def _string(self, text: str, at: int) -> int:
        end = _PLAIN.match(text, at).end()  # type: ignore[union-attr]  # it always matches
        if end > at:
            self._text.append(text[at:end])
        elif text[at] == '"':
            self._end_string()
            end += 1
        else:
            end = self._escape(text, at)
        return end

    def _escape(self, text: str, at: int) -> int:
        kind = text[at + 1 : at + 2]
        length = 6 if kind == "u" else 2
        escape = text[at : at + length]
        if len(escape) < length:
            return at
        if kind != "u":
            self._text.append(_ESCAPES.get(kind, kind))
            return at + 2
        if "\\ud800" <= escape.lower() <= "\\udbff":
            if len(text) < at + 12 and "\\u".startswith(text[at + 6 : at + 8]):
                return at  # its other half may come
            if text[at + 6 : at + 8] == "\\u":
                escape = text[at : at + 12]
        try:
            self._text.append(json.loads(f'"{escape}"'))
        except ValueError:
            self._state = _State.BROKEN
        return at + len(escape)

    def _end_string(self) -> None:
        if self._is_key:
            self._keys.append("".join(self._text))
            self._text.clear()
            self._state = _State.COLON
        else:
            self._show_string()
            self._leave()

    def _show_string(self) -> None:
        """What came of the string joins what stands in its container."""
        if self._is_key or not self._text:
            return
        more = "".join(self._text)
        self._text.clear()
        if not self._begun:
            self._put(more)
            self._begun = True
            return
        owner = self._open[-1]
        place: Any = self._keys[-1] if isinstance(owner, dict) else -1
        # A string that nobody else holds grows in place: CPython then copies only what is new.
        string = owner[place]
        owner[place] = None
        string += more
        owner[place] = string

    def _put(self, value: Any) -> None:
        owner = self._open[-1]
        if isinstance(owner, dict):
            owner[self._keys[-1]] = value
        else:
            owner.append(value)
