"""Backpressure of a connection whose response waits in uvicorn's `send`."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

__all__ = ["LeanFlowControl"]


class LeanFlowControl(FlowControl):
    """uvicorn's, with an event only while the transport is full: it takes 760 bytes of each connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.read_paused = False
        self.write_paused = False
        self._room: asyncio.Event | None = None

    async def drain(self) -> None:
        """Wait until the transport has room."""
        if self._room is not None:
            await self._room.wait()

    def pause_writing(self) -> None:
        """The transport is full."""
        self.write_paused = True
        if self._room is None:
            self._room = asyncio.Event()

    def resume_writing(self) -> None:
        """The transport has room, or is closed."""
        self.write_paused = False
        if self._room is not None:
            self._room.set()
            self._room = None
