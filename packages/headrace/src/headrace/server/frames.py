"""The frames of an SSE response: events of a log → bytes."""

from collections.abc import Sequence
from typing import Final

from headrace.chunks import ChunkEncoder, merge_counted
from headrace.errors import EngineError, encode_error
from headrace.events import Event, Finish, Progress
from headrace.sse import DONE, encode_event
from headrace.turns import Interpreter

__all__ = ["FrameEncoder"]

_DONE: Final = encode_event(DONE)


class FrameEncoder:
    """Encoder of events into the bytes of a response.

    Args:
        interpreter: a new one.
        chunks: encodes the events of this turn as chunks.
        numbered: whether the `id:` of a frame is the ordinal of its last event.
        after: number of events to skip at the beginning.
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
        self._after = after
        self._error_event = error_event

    def encode(self, events: Sequence[Event], *, is_saved: bool = True) -> bytes:
        """Encode the next events of the log; b"" for events that have no frame.

        Args:
            events: in the order of the log, from its beginning; or a single `Progress`.
            is_saved: whether they are in the store; only then frames have an `id:`.
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
                frames.append(encode_event(data, id=self.ordinal if self._numbered and is_saved else None))
        if interpreted and isinstance(finish := interpreted[-1], Finish):
            frames.append(_DONE)
            self.finished = finish
        return b"".join(frames)
