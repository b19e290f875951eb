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
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would collect the stream
)
_KEEP_ALIVE: Final = encode_comment("keep-alive")
_LOGGER: Final = logging.getLogger("headrace.server")


class PositionError(Exception):
    """The turn has only so many events."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


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
        self._last_write = 0.0
        self._timer = self._loop.call_later(FIRST_BYTES, self._signal)
        self._channel = open_channel(connection, self._end, self._on_writable)
        self._reader = turn.reader(self._on_news)

    async def send(self, headers: Sequence[Header], after: int = 0) -> None:
        """Send the events after the first `after`, to the end or until the client disconnects.

        Raises:
            PositionError: the turn has no event `after`; nothing has been sent.
            HeadraceError: the turn failed before its first event; nothing has been sent.
        """
        try:
            if not after and not self._reader.has_events:
                await self._wake
            if self._is_done():
                return
            first = self._frames.encode(self._reader.take(), is_saved=self._reader.is_saved)
            if after > self._frames.ordinal:
                raise PositionError(self._frames.ordinal)
            self._wake = self._loop.create_future()
            await self._channel.start(200, [*_HEADERS, *headers])
            if not self._is_done():
                self._state = _State.OPEN
                self._last_write = self._loop.time()
                self._write(first)
                self._on_news()  # what came while the head was sent
                self._timer.cancel()
                self._check_silence()
                await self._wake
            if self._frames.finished:
                await self._channel.finish()
        finally:
            self._state = _State.DONE
            self._timer.cancel()
            self._channel.close()
            self._reader.close()

    def _on_news(self) -> None:
        """There is more in the log: called by it, in the engine's call stack."""
        if self._state is _State.OPEN:
            self._advance()
        elif self._state is _State.WAITING and self._reader.has_events:
            self._signal()
        elif self._state is _State.FULL and not self._is_paused and self._reader.backlog > MAX_BACKLOG:
            self._is_paused = True
            self._turn.pause()

    def _advance(self) -> None:
        try:
            try:
                events = self._reader.take()
            except HeadraceError as error:  # too late for a status
                events = [Finish("network_error", error=error.public)]
            self._write(self._frames.encode(events, is_saved=self._reader.is_saved))
        except Exception:  # a defect must not end the engine, whose call stack this is
            _LOGGER.exception("turn %s: cannot encode its events", self._turn.id)
            self._channel.abort()
            self._end()

    def _write(self, data: bytes) -> None:
        if data:
            self._channel.write(data)
            self._last_write = self._loop.time()
        if self._frames.finished:
            self._end()
        elif self._channel.is_full:
            self._state = _State.FULL

    def _on_writable(self) -> None:
        if self._state is not _State.FULL:
            return
        self._state = _State.OPEN
        self._advance()
        if self._is_paused and self._state is _State.OPEN:
            self._is_paused = False
            self._turn.resume()

    def _check_silence(self) -> None:
        """Send a comment if nothing was written for a while: one timer per span, not per write."""
        silence = self._loop.time() - self._last_write
        if silence >= self._keep_alive:
            if self._state is _State.OPEN:
                self._write(_KEEP_ALIVE)
            silence = 0.0
        self._timer = self._loop.call_later(self._keep_alive - silence, self._check_silence)

    def _is_done(self) -> bool:
        return self._state is _State.DONE

    def _end(self) -> None:
        self._state = _State.DONE
        self._signal()

    def _signal(self) -> None:
        if not self._wake.done():
            self._wake.set_result(None)
