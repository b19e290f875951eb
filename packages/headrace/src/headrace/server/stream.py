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
from headrace.events import Finish
from headrace.server.channel import open_channel
from headrace.server.connection import Header, HttpConnection
from headrace.server.frames import FrameEncoder
from headrace.sse import encode_comment
from headrace.turns import Turn

__all__ = ["FIRST_BYTES", "MAX_BACKLOG", "EventStream", "PositionError"]

FIRST_BYTES: Final = 2.0
"""Seconds until the head of a response is sent although there is no event: proxies give up after ten."""

MAX_BACKLOG: Final = 256 * 1024
"""Bytes of events that may wait for a slow reader before its engine is paused."""

_HEADERS: Final = (
    (b"content-type", b"text/event-stream;charset=UTF-8"),
    (b"cache-control", b"no-cache, no-transform"),  # a proxy that compresses would collect the stream
    (b"x-accel-buffering", b"no"),  # and so would nginx
)
_KEEP_ALIVE: Final = encode_comment("keep-alive")
_LOGGER: Final = logging.getLogger("headrace.server")


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


class EventStream:
    """Sends one turn to one client.

    Args:
        connection: to the client.
        turn: to send.
        frames: encodes its events.
        keep_alive: seconds of silence before a comment is sent.
    """

    def __init__(
        self, connection: HttpConnection, turn: Turn, frames: FrameEncoder, keep_alive: float
    ) -> None:
        self._turn = turn
        self._frames = frames
        self._keep_alive = keep_alive
        self._loop = asyncio.get_running_loop()
        self._state = _State.WAITING
        self._wake = self._loop.create_future()
        self._is_paused = False
        self._last_frames = b""  # sent together with the end of the body
        self._last_write = self._loop.time()
        self._timer: asyncio.TimerHandle
        self._epochs = 0  # of the log that the frames have begun
        self._reader = turn.reader(self._on_first_news)
        self._channel = open_channel(connection, self._end, self._on_writable)
        self._check_silence()

    async def send(self, headers: Sequence[Header], after: int = 0) -> bool:
        """Send the events after the one with id `after`, to the end or until the client disconnects.

        Returns:
            False if the client disconnected before anything was sent.

        Raises:
            PositionError: the turn has no such event; nothing has been sent.
            HeadraceError: the turn failed before its first event; nothing has been sent.
        """
        try:
            if not after and not self._reader.has_events:
                await self._wake
            data = self._encode() + await self._catch_up(after)
            if self._is(_State.DONE):
                return False
            self._channel.start([*_HEADERS, *headers])
            self._open()
            self._write(data)
            if not self._is(_State.DONE):
                self._wake = self._loop.create_future()
                await self._wake
            if self._frames.finished:
                await self._channel.finish(self._last_frames)
            return True
        finally:
            self._state = _State.DONE
            self._timer.cancel()
            self._channel.close()
            self._reader.close()

    async def _catch_up(self, after: int) -> bytes:
        """Wait until this process has event `after`, which the client may have received from another one."""
        frames, log, data = self._frames, self._turn.log, b""
        deadline = self._loop.time() + self._turn.max_delay
        while frames.is_ahead(after) and not self._is(_State.DONE):
            left = deadline - self._loop.time()
            if left <= 0 or log.is_finished:
                raise PositionError(frames.ordinal, is_lost=frames.is_lost(after))
            self._wake = self._loop.create_future()
            await asyncio.wait([self._wake], timeout=left)
            data += self._encode()
        if frames.is_lost(after):
            raise PositionError(frames.ordinal, is_lost=True)
        return data

    def _encode(self) -> bytes:
        """Encode what is new in the log."""
        frames, log, start = self._frames, self._turn.log, self._reader.position
        events = self._reader.take()
        if self._epochs == len(log.epochs):
            return frames.encode(events, is_saved=log.is_saved)
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
        try:
            try:
                data = self._encode()
            except HeadraceError as error:  # too late for a status
                finish = Finish("network_error", error=error.public)
                data = self._frames.encode([finish], is_saved=self._turn.log.is_saved)
            if data:
                self._write(data)
        except Exception:  # a defect must not end the engine, whose call stack this is
            _LOGGER.exception("turn %s: cannot encode its events", self._turn.id)
            self._channel.abort()
            self._end()

    def _write(self, data: bytes) -> None:
        if self._frames.finished:
            self._turn.log.received = self._frames.finished
            self._last_frames = data
            self._end()
            return
        is_full = self._channel.write(data)
        self._last_write = self._loop.time()
        if is_full:
            self._state = _State.FULL
            self._reader.on_news = self._on_backlog

    def _on_writable(self) -> None:
        if self._state is not _State.FULL:
            return
        self._open()
        self._on_news()
        if self._is_paused and self._is(_State.OPEN):
            self._is_paused = False
            self._turn.resume()

    def _check_silence(self) -> None:
        """Send the head or a comment if it is due: one timer per span, not per write."""
        limit = FIRST_BYTES if self._state is _State.WAITING else self._keep_alive
        silence = self._loop.time() - self._last_write
        if silence >= limit:
            if self._state is _State.WAITING:
                self._signal()
            elif self._state is _State.OPEN:
                self._write(_KEEP_ALIVE)
            silence = 0.0
        # The first event may end the wait for it, and the limit changes.
        self._timer = self._loop.call_later(min(limit - silence, self._keep_alive), self._check_silence)

    def _is(self, state: _State) -> bool:
        return self._state is state

    def _open(self) -> None:
        self._state = _State.OPEN
        self._reader.on_news = self._on_news

    def _end(self) -> None:
        self._state = _State.DONE
        self._reader.close()
        self._signal()

    def _signal(self) -> None:
        if not self._wake.done():
            self._wake.set_result(None)
