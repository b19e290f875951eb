"""The bytes around the text of an event, which are usually the same in every event of an answer.

Of an event that differs from the one before only in its text, only the text is decoded. What is around it has
been decoded once, and the result is the same: in JSON, any string can be replaced by another one.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from headrace.errors import DecodeError
from headrace.sse import encode_event
from headrace.wire.decode import STRICT_ERRORS

__all__ = ["EventPattern"]

_PROBE: Final = "\0"
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(str).decode
_BEFORE_CHUNK, _, _AFTER_CHUNK = encode_event(b"|").partition(b"|")
_NEVER: Final = b"\0"  # no event begins with it


class EventPattern:
    """What events have in common: learned from two in a row, forgotten with the next that does not fit."""

    __slots__ = ("_after", "_before", "_begin", "_between", "_end", "_latest")

    def __init__(self) -> None:
        self._latest = b""  # the latest chunk with nothing but a text
        self._before, self._begin = _NEVER, 0
        self._after, self._end = b"", 0
        self._between = b""

    def texts_of(self, events: bytes) -> list[str]:
        """Return the texts of events if all of them fit; otherwise nothing."""
        if events.startswith(self._before) and events.endswith(self._after):
            try:
                texts = list(map(_DECODE, events[self._begin : self._end].split(self._between)))
            except STRICT_ERRORS:
                return []
            return texts if all(texts) else []
        return []

    def learn(self, chunk: bytes, text: str, text_in: Callable[[bytes], str]) -> None:
        """Learn from what did not fit.

        Args:
            chunk: the data of the last event; b"" if it did not end as `encode_event` encodes it.
            text: the chunk's text if it has nothing else; otherwise "".
            text_in: returns this text of another chunk.
        """
        self._before = _NEVER
        latest, self._latest = self._latest, chunk if text else b""
        before, found, after = chunk.partition(_ENCODE(text))
        if not (text and found and latest.startswith(before) and latest.endswith(after)):
            return
        with suppress(DecodeError, *STRICT_ERRORS):  # of a text that is also elsewhere in the chunk
            if text_in(before + _ENCODE(_PROBE) + after) == _PROBE:
                self._before, self._after = _BEFORE_CHUNK + before, after + _AFTER_CHUNK
                self._begin, self._end = len(self._before), -len(self._after)
                self._between = self._after + self._before
