"""The bytes around the text of a chunk, which are usually the same in every chunk of an answer.

Of a chunk that differs from the one before only in its text, only the text is decoded. What is around it has
been decoded once, and the result is the same: in JSON, any string can be replaced by another one.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from headrace.wire.decode import STRICT_ERRORS

__all__ = ["ChunkPattern"]

_PROBE: Final = "\0"
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(str).decode
_NEVER: Final = b"\0"  # no chunk begins with it


class ChunkPattern:
    """What chunks have in common: learned from two in a row, forgotten with the next that does not fit."""

    __slots__ = ("_after", "_before", "_begin", "_end", "_latest")

    def __init__(self) -> None:
        self._latest = b""  # the latest chunk with nothing but a text
        self._before, self._begin = _NEVER, 0
        self._after, self._end = b"", 0

    def text_of(self, data: bytes) -> str:
        """Return the text of a chunk that fits; "" for any other."""
        if data.startswith(self._before) and data.endswith(self._after):
            try:
                return _DECODE(data[self._begin : self._end])
            except STRICT_ERRORS:
                pass
        return ""

    def learn(self, data: bytes, text: str, find_text: Callable[[bytes], str]) -> None:
        """Learn from a chunk that did not fit.

        Args:
            data: the chunk.
            text: its text if it has nothing else; otherwise "".
            find_text: returns this text of another chunk.
        """
        self._before = _NEVER
        latest, self._latest = self._latest, data if text else b""
        before, found, after = data.partition(_ENCODE(text))
        if not (text and found and latest.startswith(before) and latest.endswith(after)):
            return
        with suppress(*STRICT_ERRORS):  # of a text that is also elsewhere in the chunk
            if find_text(before + _ENCODE(_PROBE) + after) == _PROBE:
                self._before, self._begin = before, len(before)
                self._after, self._end = after, -len(after)
