"""Detection of the end of a JSON object, array or string that arrives in fragments."""

import re
from typing import Final

__all__ = ["JsonEnd"]

_OUTSIDE: Final = re.compile(r'["{}\[\]]')
_IN_STRING: Final = re.compile(r'["\\]')


class JsonEnd:
    """A scanner of nesting and strings. It visits each character once and does not validate."""

    def __init__(self) -> None:
        self.is_found = False
        self._depth = 0
        self._in_string = False
        self._skip = 0  # characters of the next fragment: the one after a backslash

    def feed(self, text: str) -> bool:
        """Scan the next fragment; return whether the value is complete."""
        position = self._skip
        while not self.is_found:
            found = (_IN_STRING if self._in_string else _OUTSIDE).search(text, position)
            if found is None:
                break
            position = found.end()
            delimiter = found[0]
            if delimiter == '"':
                self._in_string = not self._in_string
            elif delimiter == "\\":
                position += 1
                continue
            else:
                self._depth += 1 if delimiter in "{[" else -1
            self.is_found = not self._in_string and self._depth <= 0
        self._skip = max(position - len(text), 0)
        return self.is_found
