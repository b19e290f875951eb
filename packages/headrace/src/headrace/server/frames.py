"""The SSE response: a turn's log → frames → `send`.

Nothing is buffered here: while `send` waits for a slow client, events pile up in the log, and leave
merged at the next write. One write holds everything that was ready.
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
    (b"x-accel-buffering", b"no"),  # nginx would collect the stream
)
_KEEP_ALIVE: Final = encode_comment("keep-alive")


class FrameEncoder:
    """Events → the bytes of a response.

    Args:
        interpreter: a fresh one.
        chunks: makes the chunks of this turn.
        numbered: each frame says the ordinal of its last event as its `id:`.
        after: leaves out so many events from the beginning.
        tells_errors: an answer that breaks off says why, in an `event: error` before its last chunk.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        chunks: ChunkEncoder,
        *,
        numbered: bool = False,
        after: int = 0,
        tells_errors: bool = False,
    ) -> None:
        self.finished = False
        self.ordinal = 0
        """Of the last event, counted from 1, before neighbours are merged."""
        self._interpreter = interpreter
        self._chunks = chunks
        self._numbered = numbered
        self._after = after
        self._tells_errors = tells_errors

    def encode(self, said: Sequence[Event], *, is_saved: bool = True) -> bytes:
        """The frames of what was said: b"" for what does not show on the wire.

        Args:
            said: in the order of the log, from its beginning on; or a `Progress`, alone.
            is_saved: all of it can be read again; if not, it has no numbers.
        """
        if said and isinstance(said[0], Progress):
            return b""
        frames = []
        meant = self._interpreter.feed(said)
        skipped = min(len(meant), max(0, self._after - self.ordinal))
        self.ordinal += skipped
        for event, count in merge_counted(meant[skipped:]):
            is_first = self.ordinal == 0
            self.ordinal += count
            if self._tells_errors and isinstance(event, Finish) and event.error:
                frames.append(encode_event(encode_error(EngineError(event.error)), event="error"))
            chunk = self._chunks.encode(event, is_first=is_first)
            if chunk is not None:
                id = self.ordinal if self._numbered and is_saved else None
                frames.append(encode_event(encode_chunk(chunk), id=id))
        if meant and isinstance(meant[-1], Finish):
            frames.append(encode_event(DONE))
            self.finished = True
        return b"".join(frames)


async def send_stream(
    reader: LogReader, frames: FrameEncoder, send: Send, first: bytes, headers: Iterable[Header] = ()
) -> None:
    """Send a turn as it comes, to its end or until the reader is closed.

    Args:
        reader: of the turn.
        frames: encodes what it reads.
        send: of the connection.
        first: what has been encoded already.
        headers: beside those of every stream.
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
            said = await reader.read()
        except HeadraceError as error:
            said = [Finish("network_error", error=error.message)]
        if reader.is_closed:
            break
        body = frames.encode(said, is_saved=reader.is_saved)
        # What was said may show nothing: a prompt that is being read, a call that is to leave whole.
        if not body and (not said or now() - last_sent >= reader.idle):
            body = _KEEP_ALIVE
    await send({"type": "http.response.body", "body": b""})
