"""Arguments in markup → JSON text, incrementally.

A value in markup is the bare text of a string, or JSON; usually only the tool's schema tells which. A value
that is certainly a string is escaped and emitted at once; one that is certainly an object or array is emitted
as it is. Everything else is buffered: numbers, booleans and null, which are short, and what may still turn
out to be a string. A decision on the beginning of a value holds for any longer one, so splits don't matter.
"""

import json
import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Final, Literal

from headrace.formats import Encoding
from headrace.parsing.json_text import JsonText
from headrace.parsing.lexer import SPACE
from headrace.parsing.schema import ANY, JsonTypes, ParametersSchema

__all__ = ["ArgumentsWriter"]

# Python 3.11 takes long to find a member of an enumeration.
_AS_TEXT: Final = Encoding.TEXT
_AS_JSON: Final = Encoding.JSON
_BY_SCHEMA: Final = Encoding.BY_SCHEMA
_EXCEPT_STRING: Final = JsonTypes(ANY.names - {"string"})
_STRING: Final = frozenset({"string"})
_MAX_BUFFERED: Final = 64  # characters; a double has at most 25
_MAX_CONSTANT: Final = 1024  # characters of a value that may tell alternatives apart
_MAX_NESTED: Final = 1024  # of brackets and one number, which text may follow: `[1] a source`
_SPACE_CHARACTERS: Final = " \t\r\n"
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_PREFIX: Final = re.compile(rf'"?-?(?:[0-9][0-9.eE+-]*"?{SPACE}*)?')
_WORDS: Final = {
    "true": ("boolean", "true"),
    "false": ("boolean", "false"),
    "null": ("null", "null"),
    # Python's, which models write now and then.
    "True": ("boolean", "true"),
    "False": ("boolean", "false"),
    "None": ("null", "null"),
}
_NESTED_NUMBER: Final = re.compile(r"\[[\[0-9.eE+-]*[\]\s]*")
_CONTAINERS: Final = {"{": "object", "[": "array"}
# The beginning of an object or array if a string is not allowed …
_OPENS: Final = {
    "{": re.compile(rf"""\{{{SPACE}*(?:["'}}]|\\")"""),
    "[": re.compile(rf"""\[{SPACE}*(?:[\[\]{{"'0-9-]|\\"|true|false|null|True|False|None)"""),
}
# … and if it is, where `[draft] text`, `[1] a source` and `{}` may be strings.
_OPENS_CERTAINLY: Final = {
    "{": re.compile(rf"""\{{{SPACE}*["']"""),
    "[": re.compile(rf"""(?:\[{SPACE}*)+(?:["']|\{{{SPACE}*["']|(?:[0-9.eE+-]+|true|false|null){SPACE}*,)"""),
}


class ArgumentsWriter:
    """Writes the arguments of one call.

    Args:
        schema: of the tool's parameters.
    """

    in_string = False  # values in markup end at a tag, wherever it is

    def __init__(self, schema: ParametersSchema) -> None:
        self._write: Callable[[str], str] = self._buffer  # how the current value is written …
        self._end: Callable[[], str] | None = None  # … and ended; None between values
        self.schema = schema
        self._separator = "{"  # before the next key
        self._types = ANY
        self._key = ""
        self._keeps_given = schema.has_alternatives
        self._given: dict[str, str] = {}  # the texts of the arguments, if types depend on them
        self._buffered = ""
        self._quoted = False  # strings are in quotes
        self._json = JsonText(ends=False)

    def begin(self, key: str, encoding: Encoding = Encoding.BY_SCHEMA) -> str:
        """Begin an argument."""
        opening = f"{self._separator}{encode_basestring(key)}:"
        self._separator = ","
        self._quoted = encoding is _AS_JSON
        self._key = key
        types = self.schema.types_of(key, self._given) if encoding is _BY_SCHEMA else _EXCEPT_STRING
        return opening + self._begin_value(types, is_text=encoding is _AS_TEXT)

    def _begin_value(self, types: JsonTypes, *, is_text: bool = False) -> str:
        self._types, self._buffered = types, ""
        if is_text or types.names == _STRING:
            self._write, self._end = _escaped, _closing_quote
            return '"'
        self._write, self._end = self._buffer, self._literal
        return ""

    def feed(self, text: str) -> str:
        """Return the JSON for more text of the value."""
        if self._keeps_given:
            self._given[self._key] = (self._given.get(self._key, "") + text)[:_MAX_CONSTANT]
        return self._write(text)

    def end(self) -> str:
        """End the value."""
        if self._end is None:
            return ""
        end, self._end = self._end, None
        return end()

    def finish(self) -> str:
        """End the call, and the value that is still open."""
        return self.end() + ("{}" if self._separator == "{" else "}")

    def _buffer(self, text: str) -> str:
        self._buffered += text
        match _decide(self._buffered, self._types.names, quoted=self._quoted):
            case "string":
                self._write, self._end = _escaped, _closing_quote
                return '"' + _escaped(self._buffered)
            case "json":
                self._json = JsonText(ends=False)
                self._write, self._end = self._pass, self._json.finish
                return self._pass(self._buffered)
            case _:
                return ""

    def _pass(self, text: str) -> str:
        return self._json.feed(text)[0]

    def _literal(self) -> str:
        return _literal(self._buffered, self._types)


def _escaped(text: str) -> str:
    return encode_basestring(text)[1:-1]


def _closing_quote() -> str:
    return '"'


def _decide(buffered: str, types: frozenset[str], *, quoted: bool) -> Literal["string", "json", "undecided"]:
    """Decide what a value is by its beginning.

    An object or array is certain as soon as it opens. A scalar stays undecided until the end of the value,
    when `_literal` reads it; a value that is longer than any scalar can only be a string.
    """
    start = buffered.lstrip(_SPACE_CHARACTERS)
    if len(buffered) - len(start) > _MAX_BUFFERED:
        return "string"
    if not start:
        return "undecided"
    if quoted and start[0] == '"':
        return "json"
    if _CONTAINERS.get(start[0]) in types:
        opens = _OPENS_CERTAINLY if "string" in types else _OPENS
        if opens[start[0]].match(start[:_MAX_BUFFERED]):
            return "json"
    elif "string" in types and not _can_be_scalar(start, types):
        return "string"
    if len(start) > _MAX_BUFFERED:
        may_be_array = "array" in types and len(start) <= _MAX_NESTED and _NESTED_NUMBER.fullmatch(start)
        return "undecided" if may_be_array else "string"
    return "undecided"


def _literal(buffered: str, types: JsonTypes) -> str:
    """Return the JSON of a buffered value. Falls back to a string if no allowed type matches."""
    text = buffered.strip(_SPACE_CHARACTERS)
    if text not in types.strings:
        scalar = _scalar(text, types.names)
        if scalar:
            return scalar
        # Quotes around a number mean a string if one is allowed, and nothing otherwise.
        inner = _scalar(text[1:-1], types.names) if text[:1] == text[-1:] == '"' else ""
        if inner:
            return text if "string" in types.names else inner
        if _CONTAINERS.get(text[:1]) in types.names and _is_json(text):
            return text
    return encode_basestring(buffered)


def _can_be_scalar(start: str, types: frozenset[str]) -> bool:
    if "number" in types and _NUMBER_PREFIX.fullmatch(start):
        return True
    quote = '"' if start[0] == '"' else ""
    text = start.rstrip(_SPACE_CHARACTERS)
    return any(
        (quote + word + quote).startswith(text) for word, (type_, _) in _WORDS.items() if type_ in types
    )


def _scalar(text: str, types: frozenset[str]) -> str:
    """Return the JSON of a number, a boolean or null; "" if its type is not allowed."""
    if "number" in types and _NUMBER.fullmatch(text):
        return text
    type_, word = _WORDS.get(text, ("", ""))
    return word if type_ in types else ""


def _is_json(text: str) -> bool:
    """Check as `json.loads` does, which reads numbers beyond a double and lone surrogates."""
    try:
        json.loads(text, parse_constant=_reject)
    except (ValueError, RecursionError):
        return False
    return True


def _reject(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are no JSON
