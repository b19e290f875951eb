r"""Passes one JSON value through, piece by piece, and knows where it ends.

JSON leaves as it came. What is no JSON, but plainly meant as such, is put right on the way:

    'single quotes'              double quotes
    True, False, None            true, false, null
    a raw line end in a string   `\n`, and likewise for every control character
    \"quotes escaped\"           one level of escapes is taken off

Everything else that is no JSON leaves as it came, too.
"""

import re
from enum import Enum, auto
from json.encoder import encode_basestring
from typing import Final

from headrace.parsing.lexer import Lexer

__all__ = ["JsonText"]


class _Place(Enum):
    OUTSIDE = auto()
    STRING = auto()
    ESCAPE = auto()  # after a backslash in a string
    SINGLE = auto()  # 'in quotes of Python'
    ESCAPED = auto()  # \"in escaped quotes\"

    __hash__ = object.__hash__


_CONTROLS: Final = {chr(code): encode_basestring(chr(code))[1:-1] for code in range(0x20)}
# What is written for what is found, in each place.
_WRITTEN: Final[dict[_Place, dict[str, str]]] = {
    _Place.OUTSIDE: {
        **{char: char for char in '{[]}"'},
        "'": '"',
        '\\"': '"',
        "True": "true",
        "False": "false",
        "None": "null",
    },
    _Place.STRING: {'"': '"', "\\": "\\", **_CONTROLS},
    _Place.SINGLE: {"'": '"', '"': '\\"', "\\'": "'", '\\"': '\\"', "\\\\": "\\\\", **_CONTROLS},
    _Place.ESCAPED: {'\\"': '"', "\\\\": "\\", '\\\\\\"': '\\"', "\\\\\\\\": "\\\\", **_CONTROLS},
}
_LEXERS: Final = {place: Lexer(written) for place, written in _WRITTEN.items()}
_OPENS: Final = {'"': _Place.STRING, "'": _Place.SINGLE, '\\"': _Place.ESCAPED}
_CLOSES: Final = {place: quote for quote, place in _OPENS.items()}

# Most pieces hold nothing but JSON, and need no walk from token to token: read as if they began
# with what they are inside of, their last group tells what they end inside of.
_BEFORE: Final = {_Place.OUTSIDE: "", _Place.STRING: '"', _Place.ESCAPE: '"\\'}
_AFTER: Final = {place.name: place for place in _BEFORE}
_INSIDE: Final = r'"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*'
_ENDS: Final = rf"(?:(?P<OUTSIDE>)|{_INSIDE}(?:(?P<STRING>)|\\(?P<ESCAPE>)))"
_PLAIN: Final = re.compile(rf"""(?:[^"'\\TFN]++|{_INSIDE}")*{_ENDS}""")
_PLAIN_AND_FLAT: Final = re.compile(rf"""(?:[^"'\\TFN{{}}\[\]]++|{_INSIDE}")*{_ENDS}""")
_SHORT: Final = 64  # characters; in a longer piece, the walk is as fast


class JsonText:
    """One value.

    Args:
        ends: whether to look for the end of the value.

    Attributes:
        whole: whether the object, array or string that the text began with has ended.
    """

    def __init__(self, *, ends: bool) -> None:
        self.whole = False
        self._ends = ends
        self._plain = _PLAIN_AND_FLAT if ends else _PLAIN
        self._place = _Place.OUTSIDE
        self._depth = 0 if ends else 1
        self._held = ""

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string."""
        return self._place is not _Place.OUTSIDE

    def feed(self, text: str, position: int = 0) -> tuple[str, int]:
        """What leaves for the text from `position` on, and where the value ended, or else the text."""
        before = _BEFORE.get(self._place)
        if before is not None and self._depth > 0 and not self._held and len(text) - position <= _SHORT:
            rest = text[position:]
            found = self._plain.fullmatch(before + rest)
            if found and found.lastgroup:
                self._place = _AFTER[found.lastgroup]
                return rest, len(text)
        return self._walk(text, position)

    def _walk(self, text: str, position: int) -> tuple[str, int]:
        """The same, from token to token."""
        moved = 0
        if self._held:
            moved = position - len(self._held)
            text, position, self._held = self._held + text[position:], 0, ""
        out = []
        while not self.whole and position < len(text):
            if self._place is _Place.ESCAPE:
                out.append(text[position])
                position += 1
                self._place = _Place.STRING
                continue
            found = _LEXERS[self._place].find(text, position)
            start = found.start() if found else len(text)
            out.append(text[position:start])
            if found is None:
                position = start
                break
            position = found.end()
            if not found.lastindex:
                self._held = found.group()
                break
            out.append(_WRITTEN[self._place][found.group()])
            self._turn(found.group())
        return "".join(out), position + moved

    def finish(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held

    def _turn(self, mark: str) -> None:
        if self._place is not _Place.OUTSIDE:
            if mark == "\\":
                self._place = _Place.ESCAPE
            elif mark == _CLOSES[self._place]:
                self._place = _Place.OUTSIDE
                self.whole = self._depth == 0
        elif mark in _OPENS:
            self._place = _OPENS[mark]
        elif self._ends and mark in ("{", "["):
            self._depth += 1
        elif self._ends and mark in ("}", "]"):
            self._depth -= 1
            self.whole = self._depth <= 0
