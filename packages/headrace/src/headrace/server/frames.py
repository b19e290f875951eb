"""The frames of an SSE response: events of a log → bytes."""

from collections.abc import Sequence
from typing import Final, cast

from headrace.answer_encoder import AnswerEncoder
from headrace.chunks import merge_counted
from headrace.errors import HeadraceError
from headrace.events import CANCELLED, Event, Finish
from headrace.turns import Interpreter, ordinal_of

__all__ = ["FrameEncoder"]

_NO_ID: Final = b"id:\n\n"  # no event: it only sets the last event id of the client


class FrameEncoder:
    """Encoder of events into the bytes of a response.

    Args:
        interpreter: a new one.
        encoder: encodes the events of this turn for the client's API.
        numbered: whether frames have an `id:`: the epoch plus the ordinal of the last event.
        after: the id of the last event to skip; 0 for none.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        encoder: AnswerEncoder,
        *,
        numbered: bool = False,
        after: int = 0,
    ) -> None:
        self.finished: Finish | None = None
        """The last event, as the client receives it; None until it is encoded."""
        self.ordinal = 0
        """The position of the last event, counted from 1, before adjacent events are merged."""
        self._interpreter = interpreter
        self._encoder = encoder
        self._merge = merge_counted if encoder.merges else _count
        self._numbered = numbered
        self._after = ordinal_of(after)
        self._epoch = 0
        self._ends: dict[int, int] = {}  # the last ordinals of earlier epochs
        self._has_id = False  # the last frame

    def begin_epoch(self, epoch: int) -> None:
        """Note that another process has produced what follows."""
        self._ends[self._epoch] = self.ordinal
        self._epoch = epoch

    def is_ahead(self, id: int) -> bool:
        """Return whether a client that has this id has received more than was encoded so far."""
        return id > self._epoch + self.ordinal or bool(self._encoder.missing)

    def is_end(self, id: int) -> bool:
        """Return whether an id is that of the last event of an answer that has ended."""
        return self.finished is not None and id == self._epoch + self.ordinal

    def is_lost(self, id: int) -> bool:
        """Return whether an id is that of an event in whose place another process has produced others."""
        ordinal = ordinal_of(id)
        epoch = id - ordinal
        return epoch != self._epoch and ordinal > self._ends.get(epoch, -1)

    def begin(self) -> bytes:
        """Encode what precedes the first event; b"" unless the response starts before it."""
        return self._encoder.begin()

    def keep_alive(self, text: str, silence: float) -> bytes:
        """Encode what is sent after `silence` seconds without an event."""
        return self._encoder.keep_alive(text, silence)

    def fail(self, error: HeadraceError, *, is_saved: bool = True) -> bytes:
        """Encode the ending of an answer that failed before its first event."""
        self._encoder.error = error
        return self.encode([Finish("network_error", error=error.public)], is_saved=is_saved)

    def encode(self, events: Sequence[Event], *, is_saved: bool = True) -> bytes:
        """Encode the next events of the log; b"" for events that have no frame.

        Args:
            events: in the order of the log, from its beginning.
            is_saved: whether they are in the store; only then frames have an `id:`. The last id of the client
                is deleted when frames without one follow: to resume after it would send them twice.
        """
        is_end = False
        if events and type(last := events[-1]) is Finish:
            is_end, self._encoder.is_cancelled = True, last.reason == CANCELLED
        events = self._interpreter.feed(events)
        unsent = self._skip(events) if self.ordinal < self._after else events
        if len(unsent) == 1:  # as they usually arrive
            frames = self._frame(unsent[0], 1, is_saved)
        else:
            frames = b"".join([self._frame(event, count, is_saved) for event, count in self._merge(unsent)])
        if is_end:
            self.finished = cast("Finish", events[-1])
            frames += self._encoder.end
        return frames

    def _skip(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return the events after those that the client has."""
        count = min(self._after - self.ordinal, len(events))
        self._encoder.skip(events[:count])
        self.ordinal += count
        return events[count:]

    def _frame(self, event: Event, count: int, is_saved: bool) -> bytes:  # noqa: FBT001
        """Encode one event, in which `count` events of the log are merged."""
        frame = self._encoder.encode_frame(event, is_first=not self.ordinal)
        self.ordinal += count
        if frame is None:
            return b""
        return self._identified(frame, is_saved=is_saved) if self._numbered else frame

    def _identified(self, frame: bytes, *, is_saved: bool) -> bytes:
        at = self._encoder.last_event_at
        if is_saved and at >= 0:
            if at:
                frame = b"%bid: %d\n%b" % (frame[:at], self._epoch + self.ordinal, frame[at:])
            else:
                frame = b"id: %d\n%b" % (self._epoch + self.ordinal, frame)
        elif self._has_id:
            frame = _NO_ID + frame
        self._has_id = is_saved and at >= 0
        return frame


def _count(events: Sequence[Event]) -> list[tuple[Event, int]]:
    return [(event, 1) for event in events]
