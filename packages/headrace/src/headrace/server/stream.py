"""A streamed response: a reader that encodes and writes in the call stack of the engine's socket.

    WAITING ── an event, or `FIRST_BYTES` seconds ──▶ OPEN ── the transport is full ──▶ FULL
       │                                               │  ◀──── it has room again ────────┘
       │                                               └── the last frame was written ───▶ DONE
       └── the turn failed: a status and an error         the client disconnected: from everywhere ▶ DONE

While the transport is full, events stay in the log and leave merged. Nothing is buffered here. If no other
reader can need the turn, the engine is paused when more than `MAX_BACKLOG` bytes wait.
"""

import asyncio
import logging
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from headrace.errors import HeadraceError
from headrace.events import Event
from headrace.server.channel import open_channel
from headrace.server.connection import Header, HttpConnection
from headrace.server.frames import FrameEncoder
from headrace.server.reconnects import Reconnects
from headrace.sse import encode_comment
from headrace.turns import MemoryLog, Turn
from headrace.turns.handover import shutting_down
from headrace.turns.requested_end import SHUTDOWN

__all__ = [
    "FIRST_BYTES",
    "MAX_BACKLOG",
    "PROGRESS_INTERVAL",
    "STREAM_HEADERS",
    "EndReached",
    "EventStream",
    "PositionError",
]

FIRST_BYTES: Final = 2.0
"""Seconds until the head of a response is sent although there is no event: proxies give up after ten."""

PROGRESS_INTERVAL: Final = 1.0
"""Seconds between two comments at least while they change: positions in a queue, progress of the prompt."""

MAX_BACKLOG: Final = 64 * 1024
"""Bytes of events that may wait for a slow reader before its engine is paused."""

STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream;charset=UTF-8"),
    (b"cache-control", b"no-cache, no-transform"),  # a proxy that compresses would collect the stream
    (b"x-accel-buffering", b"no"),  # and so would nginx
)
_PIECE: Final = 256  # events that are encoded at once: a thousand clients may return with a long past each
_HANDED_OVER: Final = encode_comment("the server is shutting down; reconnect with Last-Event-ID") + b"\n"
_KEEP_ALIVE: Final = "keep-alive"
_LOGGER: Final = logging.getLogger("headrace.server")


class EndReached(Exception):  # noqa: N818 - an outcome, not an error
    """The client has received the complete answer."""


class PositionError(Exception):
    """The turn has only `count` events, or it had more, which the store has lost."""

    def __init__(self, count: int, *, is_lost: bool) -> None:
        super().__init__(count)
        self.count = count
        self.is_lost = is_lost


class _State(Enum):
    WAITING = auto()
    OPEN = auto()
    FULL = auto()
    DONE = auto()


_WAITING, _OPEN, _FULL, _DONE = _State  # Python 3.11 takes long to find a member


class EventStream:
    """Sends one turn to one client.

    Args:
        connection: to the client.
        turn: to send.
        frames: encodes its events.
        keep_alive: seconds of silence before a comment, or what the API has instead, is sent.
        reconnects: tells when the client should ask another server for the rest; None if it would not.
    """

    def __init__(
        self,
        connection: HttpConnection,
        turn: Turn,
        frames: FrameEncoder,
        keep_alive: float,
        *,
        reconnects: Reconnects | None = None,
    ) -> None:
        self._connection = connection
        self._turn = turn
        self._log = turn.log
        self._frames = frames
        self._keep_alive = keep_alive
        self._reconnects = reconnects
        self._loop = asyncio.get_running_loop()
        self._state = _WAITING
        self._wake = self._loop.create_future()
        self._is_paused = False
        self._last_frames = b""  # sent together with the end of the body
        self._last_write = self._loop.time()
        self._last_comment = ""
        self._silent_since = self._last_write, 0  # the time, and the number of events sent before
        self._timer = self._loop.call_later(min(keep_alive, PROGRESS_INTERVAL), self._check_silence)
        self._epochs = 0  # of the log that the frames have begun
        self._reader = turn.reader(self._on_first_news)
        self._reader.on_handover = self._on_handover if reconnects else None
        self._channel = open_channel(connection, self._end, self._on_writable)

    async def send(self, headers: Sequence[Header], after: int = 0) -> bool:
        """Send the events after the one with id `after`, to the end or until the client disconnects.

        Returns:
            False if the client disconnected before anything was sent.

        Raises:
            EndReached: that event is the last one; nothing has been sent.
            PositionError: the turn has no such event; nothing has been sent.
            HeadraceError: the turn failed before its first event; nothing has been sent.
        """
        try:
            if not after and not self._reader.has_events:
                await self._wake
            data = self._encode() + await self._catch_up(after)
            if self._state is _DONE:
                return False
            if after and self._frames.is_end(after):
                raise EndReached
            data = data or self._frames.begin()
            if self._reconnects:
                data = self._reconnects.encode() + data
            self._channel.start([*STREAM_HEADERS, *headers])
            self._connection.note_status(200)
            self._open()
            self._write(data)
            self._on_news()
            await self._until_done()
            if self._frames.finished:
                await self._channel.finish(self._last_frames)
            return True
        finally:
            self._state = _DONE
            self._timer.cancel()
            self._channel.close()
            self._reader.close()

    async def _until_done(self) -> None:
        try:
            while self._state is not _DONE:
                self._wake = self._loop.create_future()
                await self._wake
        except asyncio.CancelledError:  # the shutdown timeout has passed
            if self._turn.is_shared:  # another process may continue it
                self._channel.abort()
                raise
            self._wake = self._loop.create_future()
            self._turn.stop(SHUTDOWN)
            await self._wake

    async def _catch_up(self, after: int) -> bytes:
        """Wait until this process has event `after`, which the client may have received from another one."""
        frames, log, data = self._frames, self._log, b""
        deadline = self._loop.time() + self._turn.max_delay
        while frames.is_ahead(after) and self._state is not _DONE:
            if self._reader.has_events:
                data += self._encode()
                continue
            left = deadline - self._loop.time()
            if left <= 0 or log.is_finished:
                raise PositionError(frames.ordinal, is_lost=frames.is_lost(after))
            self._wake = self._loop.create_future()
            await asyncio.wait([self._wake], timeout=left)
            if self._wake.done():
                self._wake.result()  # raises after a handover
            data += self._encode()
        if frames.is_lost(after):
            raise PositionError(frames.ordinal, is_lost=True)
        return data

    def _encode(self) -> bytes:
        """Encode what is new in the log."""
        events, log = self._reader.take(_PIECE), self._log
        if self._epochs < len(log.epochs):
            return self._encode_epochs(events)
        return self._frames.encode(events, is_saved=log.is_saved)

    def _encode_epochs(self, events: Sequence[Event]) -> bytes:
        frames, log, start = self._frames, self._log, self._reader.position - len(events)
        data = b""
        for position, epoch in log.epochs[self._epochs :]:
            if position > self._reader.position:
                break
            data += frames.encode(events[: position - start], is_saved=log.is_saved)
            frames.begin_epoch(epoch)
            events, start = events[position - start :], position
            self._epochs += 1
        return data + frames.encode(events, is_saved=log.is_saved)

    # What the log calls in the engine's call stack when it has more: one method for each state.

    def _on_first_news(self) -> None:
        if self._reader.has_events:
            self._signal()

    def _on_backlog(self) -> None:
        if not self._is_paused and self._reader.backlog > MAX_BACKLOG:
            self._is_paused = True
            self._turn.pause()

    def _on_news(self) -> None:
        """Send what is new: a long past in pieces, as long as the transport has room."""
        try:
            while self._reader.position < self._log.published and self._state is _OPEN:
                try:
                    data = self._encode()
                except HeadraceError as error:  # too late for a status
                    data = self._frames.fail(error, is_saved=self._log.is_saved)
                if data:
                    self._write(data)
        except Exception:  # a defect must not end the engine, whose call stack this is
            _LOGGER.exception("cannot encode the events of a turn", extra={"turn": self._turn.id})
            self._channel.abort()
            self._end()

    def _write(self, data: bytes) -> None:
        if self._frames.finished:
            self._log.received = self._frames.finished
            self._last_frames = data
            self._end()
            return
        is_full = self._channel.write(data)
        self._last_write = self._loop.time()
        if is_full:
            self._state = _FULL
            self._reader.on_news = self._on_backlog

    def _on_writable(self) -> None:
        if self._state is not _FULL:
            return
        self._open()
        self._on_news()
        if self._is_paused and self._state is _OPEN:
            self._is_paused = False
            self._turn.resume()

    def _check_silence(self) -> None:
        """Send the head or a comment if it is due: one timer per span, not per write."""
        limit = FIRST_BYTES if self._state is _WAITING else self._keep_alive
        comment = _progress(self._log)
        has_progress = comment != _KEEP_ALIVE
        if has_progress and self._state is _OPEN and comment != self._last_comment:
            limit = min(limit, PROGRESS_INTERVAL)
        silence = self._loop.time() - self._last_write
        if silence >= limit:
            if self._state is _WAITING:
                self._signal()
            elif self._state is _OPEN:
                self._last_comment = comment
                self._write(self._frames.keep_alive(comment, self._silence()))
            silence = 0.0
        # The first event may end the wait for it, and the limit changes.
        due = min(limit - silence, self._keep_alive, PROGRESS_INTERVAL if has_progress else self._keep_alive)
        self._timer = self._loop.call_later(due, self._check_silence)

    def _silence(self) -> float:
        """Return the seconds since the last event."""
        if self._silent_since[1] != self._frames.ordinal:
            self._silent_since = self._last_write, self._frames.ordinal
        return self._loop.time() - self._silent_since[0]

    def _on_handover(self) -> None:
        if self._state is _WAITING:
            if not self._wake.done():
                self._wake.set_exception(shutting_down())
        elif self._state is not _DONE and self._reconnects:
            self._channel.cut(self._reconnects.encode() + _HANDED_OVER)

    def _open(self) -> None:
        self._state = _OPEN
        self._reader.on_news = self._on_news

    def _end(self) -> None:
        self._state = _DONE
        self._reader.close()
        self._signal()

    def _signal(self) -> None:
        if not self._wake.done():
            self._wake.set_result(None)


def _progress(log: MemoryLog) -> str:
    """Return the text of a comment: how far the answer is from its next event."""
    progress = log.progress
    if progress is not None and progress.queued:
        return f"queued {progress.queued}"
    if progress is not None and progress.processed < progress.total and not log.count:
        return f"prefill {progress.processed}/{progress.total}"
    return _KEEP_ALIVE
