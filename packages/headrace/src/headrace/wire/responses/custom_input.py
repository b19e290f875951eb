r"""The input of a call of a custom tool: free text, which the model writes as `{"input": "…"}`.

A model knows functions with JSON arguments only. The text is decoded while the arguments arrive, at any cut,
also within an escape, and between the two halves of a surrogate pair.
"""

import re
from typing import Any, Final

from headrace.wire.json_value import decode_json

__all__ = ["INPUT", "CustomInput"]

INPUT: Final = "input"
"""The name of the only parameter."""

_START: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_HEX: Final = "[0-9a-fA-F]"
# A high surrogate waits for what follows it, an escape for its end. `\u` without four digits is a `u`.
_BODY: Final = re.compile(
    rf"""(?: [^"\\]++ | \\[^u]
       | \\u[dD][89abAB]{_HEX}{{2}}(?=[^\\]|\\[^u]|\\u{_HEX}{{4}}|\\u{_HEX}{{0,3}}[^0-9a-fA-F])
       | \\u(?![dD][89abAB]){_HEX}{{4}}
       | \\u(?={_HEX}{{0,3}}[^0-9a-fA-F]) )*+""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"((?:\\u[0-9a-fA-F]{4})++)|\\(.)", re.DOTALL)
_LETTERS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class CustomInput:
    """A decoder of the arguments of one call.

    Arguments of another form are returned at the end: the only text in the object, or else all of them.
    """

    def __init__(self) -> None:
        self._rest = ""  # what is not decoded yet
        self._is_inside = False
        self._is_over = False

    @property
    def is_cut(self) -> bool:
        """Whether the text has begun and has not ended."""
        return self._is_inside and not self._is_over

    def feed(self, arguments: str) -> str:
        """Return the text that the next fragment adds."""
        if self._is_over:
            return ""
        text = self._rest + arguments
        if not self._is_inside:
            start = _START.match(text)
            if start is None:
                self._rest = text
                return ""
            self._is_inside = True
            text = text[start.end() :]
        body = _BODY.match(text)
        assert body is not None
        self._rest = text[body.end() :]
        self._is_over = self._rest.startswith('"')
        return _unescape(body.group())

    def finish(self) -> str:
        """Return the text that is still missing."""
        return "" if self._is_inside else _find_text(self._rest)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(escape: re.Match[str]) -> str:
    codes, letter = escape.groups()
    if letter is not None:
        return _LETTERS.get(letter, letter)
    units = b"".join(int(code, 16).to_bytes(2, "big") for code in codes.split("\\u")[1:])
    return units.decode("utf-16-be", "replace")


def _find_text(arguments: str) -> str:
    try:
        value: Any = decode_json(arguments)
    except ValueError:
        return arguments
    if isinstance(value, dict):
        texts = [value[INPUT]] if INPUT in value else list(value.values())
        if len(texts) == 1 and isinstance(texts[0], str):
            return texts[0]
    return value if isinstance(value, str) else arguments
