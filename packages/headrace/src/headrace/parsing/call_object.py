"""`{"name": N, "arguments": {…}}`, in pieces → the name, and the arguments as they come.

The keys stand in any order; `parameters` means `arguments`. Arguments that come before the name are
held until it is known. Other keys mean nothing. Where a key should stand and something else does, the
object is over: a brace was forgotten, and what follows is text.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from headrace.parsing.json_text import JsonText

__all__ = ["CallObject"]

_KEY_BEGINS: Final = re.compile(r"[^\s,{]")
_VALUE_BEGINS: Final = re.compile(r"[^\s:]")
_SCALAR_ENDS: Final = re.compile(r"[\s,}\]]")
_ARGUMENTS: Final = ("arguments", "parameters")


class CallObject:
    """One call.

    Attributes:
        name: of the tool; "" while it is unknown.
        id: that the model gave to the call, if it stands before the name: later is too late.
        whole: whether the object has ended.
    """

    def __init__(self) -> None:
        self.name = ""
        self.id = ""
        self.whole = False
        self._read: Callable[[str, int], int] = self._seek_key  # from a position of the text to another
        self._json = JsonText(ends=True)  # the key or value that is under way
        self._collected: list[str] = []  # of it, if it is wanted as a whole
        self._key = ""
        self._arguments: list[str] = []  # that have not left yet

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string."""
        return self._json.in_string

    def feed(self, text: str) -> int:
        """Read on; returns where the envelope ended, or else the text."""
        position = 0
        while position < len(text) and not self.whole:
            position = self._read(text, position)
        return position

    def take_arguments(self) -> str:
        """The arguments that can leave: none before the name is known."""
        if not self.name:
            return ""
        ready = "".join(self._arguments)
        self._arguments.clear()
        return ready

    def finish(self) -> str:
        """No more text will come: the rest of the arguments."""
        if self._read == self._read_arguments:
            self._arguments.append(self._json.finish())
        return self.take_arguments()

    def _seek_key(self, text: str, position: int) -> int:
        found = _KEY_BEGINS.search(text, position)
        if found is None:
            return len(text)
        if found.group() in "\"'":
            self._read, self._json = self._read_key, JsonText(ends=True)
            return found.start()
        self.whole = True
        return found.end() if found.group() == "}" else found.start()

    def _read_key(self, text: str, position: int) -> int:
        written, position = self._json.feed(text, position)
        self._collected.append(written)
        if self._json.whole:
            self._key = self._take_string()
            self._read = self._seek_value
        return position

    def _seek_value(self, text: str, position: int) -> int:
        found = _VALUE_BEGINS.search(text, position)
        if found is None:
            return len(text)
        char = found.group()
        if char in ",}":
            self._read = self._seek_key
        elif char in "{[\"'":
            self._json = JsonText(ends=True)
            streams = char in "{[" and self._key in _ARGUMENTS
            self._read = self._read_arguments if streams else self._read_value
        else:
            self._read = self._read_scalar
        return found.start()

    def _read_arguments(self, text: str, position: int) -> int:
        written, position = self._json.feed(text, position)
        self._arguments.append(written)
        if self._json.whole:
            self._read = self._seek_key
        return position

    def _read_value(self, text: str, position: int) -> int:
        written, position = self._json.feed(text, position)
        self._collected.append(written)
        if self._json.whole:
            self._end_value()
        return position

    def _read_scalar(self, text: str, position: int) -> int:
        found = _SCALAR_ENDS.search(text, position)
        end = found.start() if found else len(text)
        self._collected.append(text[position:end])
        if found:
            self._end_value()
        return end

    def _end_value(self) -> None:
        self._read = self._seek_key
        value = self._take_string()
        if self._key in _ARGUMENTS:  # JSON in a string
            self._arguments.append(value)
        elif not self.name and self._key == "name":
            self.name = value
        elif not self.name and self._key == "id":
            self.id = value

    def _take_string(self) -> str:
        """The string that was collected as JSON; "" if it is none."""
        text = "".join(self._collected)
        self._collected.clear()
        try:
            return msgspec.json.decode(text, type=str)
        except msgspec.DecodeError:
            return ""
