"""The SSE response: the log of a turn → frames → `send`.

Nothing is buffered here: while `send` waits for a slow client, events accumulate in the log, and the next
write sends all of them, merged.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from headrace.chunks import ChunkEncoder, encode_chunk, merge_counted
from headrace.errors import EngineError, HeadraceError, encode_error
from headrace.events import Event, Finish, Progress
from headrace.server.connection import Header, Send
from headrace.sse import DONE, encode_comment, encode_event
from headrace.turns import Interpreter, LogReader

__all__ = ["FrameEncoder", "send_stream"]

_HEADERS: Final = (
    (b"content-type", b"text/event-stream;charset=UTF-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would buffer the stream
)
_KEEP_ALIVE: Final = encode_comment("keep-alive")


class FrameEncoder:
    """Encoder of events into the bytes of a response.

    Args:
        interpreter: a new one.
        chunks: encodes the events of this turn as chunks.
        numbered: whether the `id:` of a frame is the ordinal of its last event.
        after: number of events to skip at the beginning.
        emits_errors: whether a failure emits an `event: error` with its reason before the last chunk.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        chunks: ChunkEncoder,
        *,
        numbered: bool = False,
        after: int = 0,
        emits_errors: bool = False,
    ) -> None:
        self.finished = False
        self.ordinal = 0
        """The position of the last event, counted from 1, before adjacent events are merged."""
        self._interpreter = interpreter
        self._chunks = chunks
        self._numbered = numbered
        self._after = after
        self._emits_errors = emits_errors

    def encode(self, events: Sequence[Event], *, is_saved: bool = True) -> bytes:
        """Encode the next events of the log; b"" for events that have no frame.

        Args:
            events: in the order of the log, from its beginning; or a single `Progress`.
            is_saved: whether they are in the store; only then frames have an `id:`.
        """
        if events and isinstance(events[0], Progress):
            return b""
        frames = []
        interpreted = self._interpreter.feed(events)
        skipped = min(len(interpreted), max(0, self._after - self.ordinal))
        self.ordinal += skipped
        for event, count in merge_counted(interpreted[skipped:]):
            is_first = self.ordinal == 0
            self.ordinal += count
            if self._emits_errors and isinstance(event, Finish) and event.error:
                frames.append(encode_event(encode_error(EngineError(event.error)), event="error"))
            chunk = self._chunks.encode(event, is_first=is_first)
            if chunk is not None:
                id = self.ordinal if self._numbered and is_saved else None
                frames.append(encode_event(encode_chunk(chunk), id=id))
        if interpreted and isinstance(interpreted[-1], Finish):
            frames.append(encode_event(DONE))
            self.finished = True
        return b"".join(frames)


async def send_stream(
    reader: LogReader, frames: FrameEncoder, send: Send, first: bytes, headers: Iterable[Header] = ()
) -> None:
    """Stream a turn to its end, or until the reader is closed.

    Args:
        reader: reader of the turn.
        frames: encodes its events.
        send: ASGI's send.
        first: frames that are encoded already.
        headers: headers in addition to those of every stream.
    """
    await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS, *headers]})
    now = asyncio.get_running_loop().time
    body = first
    last_sent = now()
    while True:
        if body:
            await send({"type": "http.response.body", "body": body, "more_body": True})
            last_sent = now()
        if frames.finished:
            break
        try:
            events = await reader.read()
        except HeadraceError as error:
            events = [Finish("network_error", error=error.message)]
        if reader.is_closed:
            break
        body = frames.encode(events, is_saved=reader.is_saved)
        # Events without frames are silence, too: prompt progress, or a tool call that is sent complete.
        if not body and (not events or now() - last_sent >= reader.idle):
            body = _KEEP_ALIVE
    await send({"type": "http.response.body", "body": b""})
