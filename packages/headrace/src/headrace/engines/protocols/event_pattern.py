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

_TRIES: Final = 32  # reads in a row from which nothing was learned: then the events have nothing in common
_PROBE: Final = "\0"
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(str).decode
_BEFORE_CHUNK, _, _AFTER_CHUNK = encode_event(b"|").partition(b"|")
_NEVER: Final = b"\0"  # no event begins with it


class EventPattern:
    """What events have in common: learned from two in a row, forgotten with the next that does not fit."""

    __slots__ = ("_after", "_before", "_begin", "_between", "_end", "_latest", "tries")

    def __init__(self) -> None:
        self._latest = b""  # chunk that did not fit
        self.tries = _TRIES
        """How many reads may still teach nothing before there is no use in learning."""
        self._before, self._begin = _NEVER, 0
        self._after, self._end = b"", 0
        self._between = _NEVER

    def texts_of(self, events: bytes) -> list[str]:
        """Return the texts of events if all of them fit; otherwise nothing."""
        if not (events.startswith(self._before) and events.endswith(self._after)):
            return []
        body, between = events[self._begin : self._end], self._between
        try:
            texts = list(map(_DECODE, body.split(between))) if between in body else [_DECODE(body)]
        except STRICT_ERRORS:
            return []
        return [] if "" in texts else texts

    def learn(self, chunk: bytes, text_in: Callable[[bytes], str]) -> None:
        """Learn from the data of the last event, b"" if it did not end as `encode_event` encodes it.

        Args:
            chunk: the data.
            text_in: returns the text of a chunk that has nothing else, "" of any other.
        """
        self._before = _NEVER
        latest, self._latest = self._latest, chunk
        self.tries -= 1
        if not chunk:
            return
        with suppress(DecodeError, *STRICT_ERRORS):  # of a chunk that is unusual
            text = text_in(chunk)
            before, found, after = chunk.partition(_ENCODE(text))
            if not (text and found and latest.startswith(before) and latest.endswith(after)):
                return
            if text_in(before + _ENCODE(_PROBE) + after) == _PROBE:  # the text is not also elsewhere
                self._before, self._after = _BEFORE_CHUNK + before, after + _AFTER_CHUNK
                self._begin, self._end = len(self._before), -len(self._after)
                self._between = self._after + self._before
                self._latest, self.tries = b"", _TRIES
