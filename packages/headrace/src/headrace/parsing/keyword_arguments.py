r"""Arguments with names, `city="Oslo", days=[1, 2])`, → JSON text, incrementally.

They are written in Python, with literals as values: strings with Python's escapes, numbers, `True`, `None`,
lists, tuples and dictionaries. `true` and `null` are read, too; bare words are strings; an argument without a
name is the next one of the tool's schema. Or they are written as Gemma does, without escapes:

    city:<|"|>Oslo<|"|>,days:[1,2]}
"""

import re
import sys
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Final

from headrace.parsing.lexer import Lexer

__all__ = ["KeywordArguments"]

_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
_LITERAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
_BRACKETS: Final = {"[": "[]", "(": "[]", "{": "{}"}
_EMPTY: Final = ("''", '""')
_GEMMA: Final = '<|"|>'
_QUOTES: Final = ("'", '"', "'''", '"""', _GEMMA)
_OUTSIDE: Final = Lexer([*"[](){},:=", *_QUOTES, *_EMPTY])
_INSIDE: Final = {quote: Lexer([quote] if quote == _GEMMA else [quote, "\\"]) for quote in _QUOTES}
_ESCAPE: Final = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^xuU])", re.DOTALL)
_ESCAPE_SIZE: Final = 10  # characters of the longest one
_ESCAPED: Final = {
    **{char: char for char in "\\'\""},
    **dict(zip("abfnrtv0\n", [*"\a\b\f\n\r\t\v\0", ""], strict=True)),
}


class KeywordArguments:
    """The arguments of one call, from behind the opening parenthesis or brace to the closing one.

    Args:
        keys: names for arguments without one, in order.

    Attributes:
        is_complete: whether the closing parenthesis or brace has been read.
    """

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.is_complete = False
        self._keys = iter([*keys])
        self._output: list[str] = []
        self._closing: list[str] = []  # the brackets to write for the containers that are open
        self._word = ""  # a name, a number or a bare word that has not ended
        self._separator = "{"  # before the next argument or item
        self._in_argument = False
        self._quote = ""  # that ends the current string
        self._held = ""

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string."""
        return bool(self._quote)

    def feed(self, text: str) -> tuple[str, int]:
        """Return JSON for more text, and the index after the arguments, or `len(text)`."""
        shift = len(self._held)
        text, self._held = self._held + text, ""
        position = 0
        while position < len(text) and not self.is_complete:
            read = self._read_string if self._quote else self._read_value
            after = read(text, position)
            if after < 0:
                self._held = text[position:]
                position = len(text)
            else:
                position = after
        return self._take(), position - shift

    def finish(self) -> str:
        """End the text and return the remaining JSON. What is open stays open."""
        if not self.is_complete and not self._quote:
            self._end_word()
        return self._take()

    def _take(self) -> str:
        output = "".join(self._output)
        self._output.clear()
        return output

    # The readers return the position behind what they have read, or -1 if more text must follow.

    def _read_value(self, text: str, position: int) -> int:
        found = _OUTSIDE.find(text, position)
        start = found.start() if found else len(text)
        if start > position:
            self._word += text[position:start]
            return start
        if found is None or not found.lastindex:
            return -1
        mark, after = found.group(), found.end()
        if mark in _QUOTES or mark in _EMPTY:
            self._word = ""  # a prefix, such as `r`
            self._begin_value()
            self._quote = "" if mark in _EMPTY else mark
            self._output.append('""' if mark in _EMPTY else '"')
        elif mark in _BRACKETS:
            self._word = ""
            self._begin_value()
            self._output.append(_BRACKETS[mark][0])
            self._closing.append(_BRACKETS[mark][1])
        elif mark in "])}":
            self._end_word()
            return self._close(mark, after)
        elif mark == ",":
            self._end_word()
            self._separator = self._separator or ","
            self._in_argument = bool(self._closing)
        elif mark in "=:" and not self._in_argument:
            self._begin_argument(self._word.strip())
            self._word = ""
        elif mark == ":" and self._closing[-1:] == ["}"]:
            self._end_word(is_key=True)
            self._output.append(":")
        else:
            self._word += mark
        return after

    def _read_string(self, text: str, position: int) -> int:
        found = _INSIDE[self._quote].find(text, position)
        start = found.start() if found else len(text)
        if start > position:
            self._write(text[position:start])
            return start
        if found is None or not found.lastindex:
            return -1
        if found.group() == "\\":
            return self._read_escape(text, start)
        self._output.append('"')
        self._quote = ""
        return found.end()

    def _read_escape(self, text: str, position: int) -> int:
        found = _ESCAPE.match(text, position)
        if found is None:
            if len(text) - position < _ESCAPE_SIZE:
                return -1
            self._write("\\")
            return position + 1
        kind, digits = found.group()[1], found.group()[2:]
        if kind == "U":
            self._write(chr(min(int(digits, 16), sys.maxunicode)))
        elif digits:
            self._output.append(f"\\u{digits:0>4}")
        else:
            self._write(_ESCAPED.get(kind, found.group()))
        return found.end()

    def _write(self, text: str) -> None:
        self._output.append(encode_basestring(text)[1:-1])

    def _close(self, char: str, after: int) -> int:
        if self._closing:
            self._output.append(self._closing.pop())
            self._separator = ""
            return after
        self._output.append("{}" if self._separator == "{" else "}")
        self.is_complete = True
        return after - 1 if char == "]" else after  # a parenthesis is missing before a bracket

    def _begin_argument(self, key: str) -> None:
        self._output.append(f"{self._separator}{encode_basestring(key)}:")
        self._separator, self._in_argument = "", True

    def _begin_value(self) -> None:
        if not self._in_argument:
            self._begin_argument(next(self._keys, ""))
        self._output.append(self._separator)
        self._separator = ""

    def _end_word(self, *, is_key: bool = False) -> None:
        word, self._word = self._word.strip(), ""
        if word:
            self._begin_value()
            literal = "" if is_key else _WORDS.get(word, word)
            self._output.append(literal if _LITERAL.fullmatch(literal) else encode_basestring(word))
