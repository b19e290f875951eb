"""`{"name": N, "arguments": {…}}` → the name and the streamed arguments, incrementally.

The keys may come in any order; Cohere writes `tool_name`, `tool_call_id` and `parameters`, as Llama does.
Arguments before the name are buffered, other keys ignored. Anything but a key where one is expected means
that a brace is missing: the object ends, and what follows is text.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from headrace.parsing.json_text import JsonText

__all__ = ["CallObject"]

_KEY_START: Final = re.compile(r"[^\s,{]")
_VALUE_START: Final = re.compile(r"[^\s:]")
_SCALAR_END: Final = re.compile(r"[\s,}\]]")
_ARGUMENTS: Final = ("arguments", "parameters")
_NAMES: Final = ("name", "tool_name")
_IDS: Final = ("id", "tool_call_id")


class CallObject:
    """One call.

    Attributes:
        name: of the tool; "" if not yet known.
        id: of the call, as chosen by the model; ignored after the name, when the call has begun.
        is_complete: whether the object has ended.
    """

    def __init__(self) -> None:
        self.name = ""
        self.id = ""
        self.is_complete = False
        self._read: Callable[[str, int], int] = self._seek_key  # (text, position) → new position
        self._json = JsonText(ends=True)  # the current key or value
        self._collected: list[str] = []  # its text, if needed as a whole
        self._key = ""
        self._arguments: list[str] = []  # not yet taken

    @property
    def in_string(self) -> bool:
        """Whether the text so far ends inside a string."""
        return self._json.in_string

    def feed(self, text: str) -> int:
        """Read more text; return the index after the object, or `len(text)`."""
        position = 0
        while position < len(text) and not self.is_complete:
            position = self._read(text, position)
        return position

    def take_arguments(self) -> str:
        """Return the arguments that have arrived; "" before the name is known."""
        if not self.name:
            return ""
        ready = "".join(self._arguments)
        self._arguments.clear()
        return ready

    def finish(self) -> str:
        """End the text and return the remaining arguments."""
        if self._read == self._read_arguments:
            self._arguments.append(self._json.finish())
        return self.take_arguments()

    def _seek_key(self, text: str, position: int) -> int:
        found = _KEY_START.search(text, position)
        if found is None:
            return len(text)
        if found.group() in "\"'":
            self._read, self._json = self._read_key, JsonText(ends=True)
            return found.start()
        self.is_complete = True
        return found.end() if found.group() == "}" else found.start()

    def _read_key(self, text: str, position: int) -> int:
        output, position = self._json.feed(text, position)
        self._collected.append(output)
        if self._json.is_complete:
            self._key = self._take_string()
            self._read = self._seek_value
        return position

    def _seek_value(self, text: str, position: int) -> int:
        found = _VALUE_START.search(text, position)
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
        output, position = self._json.feed(text, position)
        self._arguments.append(output)
        if self._json.is_complete:
            self._read = self._seek_key
        return position

    def _read_value(self, text: str, position: int) -> int:
        output, position = self._json.feed(text, position)
        self._collected.append(output)
        if self._json.is_complete:
            self._end_value()
        return position

    def _read_scalar(self, text: str, position: int) -> int:
        found = _SCALAR_END.search(text, position)
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
        elif not self.name and self._key in _NAMES:
            self.name = value
        elif not self.name and self._key in _IDS:
            self.id = value

    def _take_string(self) -> str:
        """Decode the collected text; "" if it is not a string."""
        text = "".join(self._collected)
        self._collected.clear()
        try:
            return msgspec.json.decode(text, type=str)
        except msgspec.DecodeError:
            return ""
