r"""Passes one JSON value through, incrementally, and finds its end.

JSON is passed unchanged. What is not JSON but clearly meant to be is repaired:

    'single quotes'              double quotes
    True, False, None            true, false, null
    a raw line end in a string   `\n`, and likewise for every control character
    \x1f                         \u001f
    \"quotes escaped\"           one level of escapes is removed

Any other invalid text is passed unchanged, too.
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
    SINGLE = auto()  # 'in single quotes'
    ESCAPED = auto()  # \"in escaped quotes\"

    __hash__ = object.__hash__  # as in `headrace.formats.State`


_CONTROLS: Final = {chr(code): encode_basestring(chr(code))[1:-1] for code in range(0x20)}
# The output for each delimiter, by place.
_OUTPUT: Final[dict[_Place, dict[str, str]]] = {
    _Place.OUTSIDE: {
        **{char: char for char in '{[]}"'},
        "'": '"',
        '\\"': '"',
        "True": "true",
        "False": "false",
        "None": "null",
    },
    _Place.STRING: {'"': '"', "\\": "\\", **_CONTROLS},
    _Place.SINGLE: {
        "'": '"',
        "\\x": "\\u00",
        '"': '\\"',
        "\\'": "'",
        '\\"': '\\"',
        "\\\\": "\\\\",
        **_CONTROLS,
    },
    _Place.ESCAPED: {'\\"': '"', "\\\\": "\\", '\\\\\\"': '\\"', "\\\\\\\\": "\\\\", **_CONTROLS},
}
_LEXERS: Final = {place: Lexer(output) for place, output in _OUTPUT.items()}
_OPENS: Final = {'"': _Place.STRING, "'": _Place.SINGLE, '\\"': _Place.ESCAPED}
_CLOSES: Final = {place: quote for quote, place in _OPENS.items()}

# Fast path for short texts that need no repair: one match of `_PLAIN`, after the characters that open the
# current place; `lastgroup` is then the place at the end. Without it, benchmarks/parsing.py takes 80 % more
# for objects and arrays, and 30 % more for JSON bodies.
_BEFORE: Final = {_Place.OUTSIDE: "", _Place.STRING: '"', _Place.ESCAPE: '"\\'}
_AFTER: Final = {place.name: place for place in _BEFORE}
_INSIDE: Final = r'"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1fx])*'
_ENDS: Final = rf"(?:(?P<OUTSIDE>)|{_INSIDE}(?:(?P<STRING>)|\\(?P<ESCAPE>)))"
_PLAIN: Final = re.compile(rf"""(?:[^"'\\TFN]++|{_INSIDE}")*{_ENDS}""")
_PLAIN_AND_FLAT: Final = re.compile(rf"""(?:[^"'\\TFN{{}}\[\]]++|{_INSIDE}")*{_ENDS}""")
_SHORT: Final = 64  # characters; a longer text is walked just as fast


class JsonText:
    """One value.

    Args:
        ends: whether to look for the end of the value.

    Attributes:
        is_complete: whether the object, array or string at the beginning of the text has ended.
    """

    def __init__(self, *, ends: bool) -> None:
        self.is_complete = False
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
        """Return the output for `text[position:]` and the index after the value, or `len(text)`."""
        before = _BEFORE.get(self._place)
        if before is not None and self._depth > 0 and not self._held and len(text) - position <= _SHORT:
            rest = text[position:]
            found = self._plain.fullmatch(before + rest)
            if found and found.lastgroup:
                self._place = _AFTER[found.lastgroup]
                return rest, len(text)
        return self._walk(text, position)

    def finish(self) -> str:
        """Return the text that was held back."""
        held, self._held = self._held, ""
        return held

    def _walk(self, text: str, position: int) -> tuple[str, int]:
        """Do the same as `feed`, delimiter by delimiter."""
        shift = 0
        if self._held:
            shift = position - len(self._held)
            text, position, self._held = self._held + text[position:], 0, ""
        output = []
        while not self.is_complete and position < len(text):
            if self._place is _Place.ESCAPE:
                output.append("u00" if text[position] == "x" else text[position])
                position += 1
                self._place = _Place.STRING
                continue
            found = _LEXERS[self._place].find(text, position)
            start = found.start() if found else len(text)
            output.append(text[position:start])
            if found is None:
                position = start
                break
            position = found.end()
            if not found.lastindex:
                self._held = found.group()
                break
            output.append(_OUTPUT[self._place][found.group()])
            self._pass_delimiter(found.group())
        return "".join(output), position + shift

    def _pass_delimiter(self, delimiter: str) -> None:
        if self._place is not _Place.OUTSIDE:
            if delimiter == "\\":
                self._place = _Place.ESCAPE
            elif delimiter == _CLOSES[self._place]:
                self._place = _Place.OUTSIDE
                self.is_complete = self._depth == 0
        elif delimiter in _OPENS:
            self._place = _OPENS[delimiter]
        elif self._ends and delimiter in ("{", "["):
            self._depth += 1
        elif self._ends and delimiter in ("}", "]"):
            self._depth -= 1
            self.is_complete = self._depth <= 0
