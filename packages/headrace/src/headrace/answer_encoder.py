"""The interface of the encoders: each encodes the events of a turn as the stream of one API.

The log is the same for every API, so a stream can be resumed at each of them. An encoder may have a state,
such as the number of the current content block: it receives every event of its turn in order, also those that
the client has received before.
"""

from collections.abc import Sequence
from typing import Protocol

from headrace.errors import HeadraceError
from headrace.events import Event

__all__ = ["AnswerEncoder"]


class AnswerEncoder(Protocol):
    """Encodes the answer of one turn, without I/O. The same events give the same bytes."""

    error: HeadraceError | None
    """The reason of a failure, if more is known than the text in the `Finish`; set before that is encoded."""

    is_cancelled: bool
    """Whether the turn was cancelled; set before its last event is encoded, which does not show it."""

    last_event_at: int
    """Where the last SSE event begins in the latest frame of `encode_frame`; -1 if it gets no `id:`."""

    @property
    def merges(self) -> bool:
        """Whether adjacent fragments may be merged for a slow reader: not if the API numbers SSE events."""
        ...

    @property
    def end(self) -> bytes:
        """What follows the frame of the last event."""
        ...

    @property
    def missing(self) -> str:
        """A message about what the client claims to have, but was not encoded yet; "" if there is nothing."""
        ...

    def begin(self) -> bytes:
        """Encode what precedes the first event; b"" the next time. Called if the head is sent before it."""
        ...

    def skip(self, events: Sequence[Event]) -> None:
        """Receive the next events without encoding them: the client has received them."""
        ...

    def encode_frame(self, event: Event, *, is_first: bool = False) -> bytes | None:
        """Encode the next event as one or more SSE events; None for no frame.

        The last one of them gets the `id:` of the event, so that a client resumes after all of them.
        """
        ...

    def keep_alive(self, text: str, silence: float) -> bytes:
        """Encode what is sent during a silence.

        Args:
            text: what the turn is doing.
            silence: seconds since the last event.
        """
        ...
