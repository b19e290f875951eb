"""The frames of an SSE response: events of a log → bytes."""

from collections.abc import Sequence
from typing import Final

from headrace.chunks import ChunkEncoder, merge_counted
from headrace.errors import EngineError, encode_error
from headrace.events import Event, Finish, Progress
from headrace.sse import DONE, encode_event
from headrace.turns import Interpreter, ordinal_of

__all__ = ["FrameEncoder"]

_DONE: Final = encode_event(DONE)
_NO_ID: Final = b"id:\n\n"  # no event: it only sets the last event id of the client


class FrameEncoder:
    """Encoder of events into the bytes of a response.

    Args:
        interpreter: a new one.
        chunks: encodes the events of this turn as chunks.
        numbered: whether frames have an `id:`: the epoch plus the ordinal of the last event.
        after: the id of the last event to skip; 0 for none.
        error_event: name of the event with the reason of a failure, before the last chunk; "" for an event
            without a name, None for no such event.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        chunks: ChunkEncoder,
        *,
        numbered: bool = False,
        after: int = 0,
        error_event: str | None = None,
    ) -> None:
        self.finished: Finish | None = None
        """The last event, as the client receives it; None until it is encoded."""
        self.ordinal = 0
        """The position of the last event, counted from 1, before adjacent events are merged."""
        self._interpreter = interpreter
        self._chunks = chunks
        self._numbered = numbered
        self._after = ordinal_of(after)
        self._error_event = error_event
        self._epoch = 0
        self._ends: dict[int, int] = {}  # the last ordinals of earlier epochs
        self._has_id = False  # the last frame

    def begin_epoch(self, epoch: int) -> None:
        """Note that another process has produced what follows."""
        self._ends[self._epoch] = self.ordinal
        self._epoch = epoch

    def is_ahead(self, id: int) -> bool:
        """Return whether an id is that of a later event than those encoded so far."""
        return id > self._epoch + self.ordinal

    def is_lost(self, id: int) -> bool:
        """Return whether an id is that of an event in whose place another process has produced others."""
        ordinal = ordinal_of(id)
        epoch = id - ordinal
        return epoch != self._epoch and ordinal > self._ends.get(epoch, -1)

    def encode(self, events: Sequence[Event], *, is_saved: bool = True) -> bytes:
        """Encode the next events of the log; b"" for events that have no frame.

        Args:
            events: in the order of the log, from its beginning; or a single `Progress`.
            is_saved: whether they are in the store; only then frames have an `id:`. The last id of the client
                is deleted when frames without one follow: to resume after it would send them twice.
        """
        if events and isinstance(events[0], Progress):
            return b""
        interpreted = self._interpreter.feed(events)
        unsent = interpreted
        if self.ordinal < self._after:
            unsent = interpreted[self._after - self.ordinal :]
            self.ordinal += len(interpreted) - len(unsent)
        frames = []
        for event, count in merge_counted(unsent):
            data = self._chunks.encode_json(event, is_first=self.ordinal == 0)
            self.ordinal += count
            if self._error_event is not None and isinstance(event, Finish) and event.error:
                error = encode_error(EngineError(event.error))
                frames.append(encode_event(error, event=self._error_event))
            if data is not None:
                has_id = self._numbered and is_saved
                if self._has_id and not has_id:
                    frames.append(_NO_ID)
                frames.append(encode_event(data, id=self._epoch + self.ordinal if has_id else None))
                self._has_id = has_id
        if interpreted and isinstance(finish := interpreted[-1], Finish):
            frames.append(_DONE)
            self.finished = finish
        return b"".join(frames)
