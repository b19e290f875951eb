"""Arguments in markup → JSON text, piece by piece.

A value in markup is either the bare text of a string or JSON, and only the tool's schema tells which.
A value that is surely a string is escaped and leaves at once, and one that is surely an object or
array leaves as it is. Others are held: numbers, booleans and null, which are short, and what may
still be a string.
"""

from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Final, Literal

from headrace.parsing.json_text import JsonText
from headrace.parsing.schema import ANY, JsonTypes, ParametersSchema
from headrace.parsing.values import decide, literal

__all__ = ["ArgumentsWriter"]

_JSON: Final = JsonTypes(ANY.names - {"string"})
_STRING: Final = frozenset({"string"})


class ArgumentsWriter:
    """Writes the arguments of one call.

    Args:
        schema: of the tool's parameters.
    """

    in_string = False  # markup has no strings of JSON

    def __init__(self, schema: ParametersSchema) -> None:
        self._write: Callable[[str], str] = self._hold  # what a value does with its text …
        self._end: Callable[[], str] | None = None  # … and at its end; None where there is no value
        self._schema = schema
        self._before = "{"  # what stands before the next key
        self._kinds = ANY
        self._held = ""
        self._json = JsonText(ends=False)

    def begin(self, key: str, kind: Literal["by schema", "string", "json"] = "by schema") -> str:
        """An argument begins: its key, and what the markup tells about its type."""
        opening = f"{self._before}{encode_basestring(key)}:"
        self._before = ","
        self._kinds = _JSON if kind == "json" else self._schema.kinds_of(key)
        if kind == "string" or self._kinds.names == _STRING:
            self._write, self._end = _escaped, _closing_quote
            return opening + '"'
        self._held = ""
        self._write, self._end = self._hold, self._literal
        return opening

    def feed(self, text: str) -> str:
        """A piece of the value."""
        return self._write(text)

    def end(self) -> str:
        """The value is whole."""
        if self._end is None:
            return ""
        end, self._end = self._end, None
        return end()

    def finish(self) -> str:
        """The call is whole: closes what is open."""
        return self.end() + ("{}" if self._before == "{" else "}")

    def _hold(self, text: str) -> str:
        self._held += text
        match decide(self._held, self._kinds.names):
            case "string":
                self._write, self._end = _escaped, _closing_quote
                return '"' + _escaped(self._held)
            case "json":
                self._json = JsonText(ends=False)
                self._write, self._end = self._pass, self._json.finish
                return self._pass(self._held)
            case _:
                return ""

    def _pass(self, text: str) -> str:
        return self._json.feed(text)[0]

    def _literal(self) -> str:
        return literal(self._held, self._kinds)


def _escaped(text: str) -> str:
    return encode_basestring(text)[1:-1]


def _closing_quote() -> str:
    return '"'
