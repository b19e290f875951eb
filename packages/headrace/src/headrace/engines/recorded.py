"""A transport that replays recordings, with their timing and optional faults.

engine = UpstreamEngine(ReplayTransport([read_recording(path)], speed=10), protocol)
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Literal

import msgspec

from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.recording import RecordedRead, Recording
from headrace.errors import EngineError

__all__ = ["Fault", "ReplayTransport"]

_ERROR = b'{"error":{"code":500,"message":"injected fault"}}'


class Fault(msgspec.Struct, frozen=True):
    """A fault to inject.

    Args:
        kind: `cut` breaks the connection, `stall` sends nothing more, `garbage` inserts invalid UTF-8,
            `error` sends an error object, or status 500 if nothing was sent yet.
        after: the number of reads before the fault.
    """

    kind: Literal["cut", "stall", "garbage", "error"]
    after: int = 0


class ReplayTransport:
    """A transport whose responses are recordings, in turn.

    Args:
        recordings: at least one.
        speed: the factor of the playback speed; 0 means no delays.
        fault: injected into every response.
    """

    def __init__(
        self, recordings: Sequence[Recording], *, speed: float = 1.0, fault: Fault | None = None
    ) -> None:
        self.upstream = Upstream("the recording")
        self._recordings = recordings
        self._speed = speed
        self._fault = fault
        self._requests = count()

    async def post(self, path: str, body: bytes) -> "RecordedResponse":  # noqa: ARG002
        """Return the next recording, whatever the request."""
        recording = self._recordings[next(self._requests) % len(self._recordings)]
        return RecordedResponse(recording, self._speed, self._fault)

    async def check(self) -> None:
        """Do nothing: a recording is always available."""

    async def close(self) -> None:
        """Do nothing."""


class RecordedResponse:
    """A recorded response; see `UpstreamResponse`."""

    def __init__(self, recording: Recording, speed: float, fault: Fault | None) -> None:
        is_error = fault == Fault("error")
        self.status = 500 if is_error else recording.status
        self.content_type = "application/json" if is_error else recording.content_type
        self.retry_after = recording.retry_after
        self._speed = speed
        self._body = self._play(recording, fault)

    async def read(self) -> bytes:
        """Return the next recorded read; b"" at the end."""
        return await anext(self._body, b"")

    def close(self) -> None:
        """Do nothing."""

    async def _play(self, recording: Recording, fault: Fault | None) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        for number, read in enumerate(recording.reads):
            await self._until(started_at, read.at)
            if fault is not None and number == fault.after:
                yield await _inject(fault, read)
                if fault.kind == "error":
                    return
            else:
                yield read.data
        await self._until(started_at, recording.ended_at)
        if recording.end == "cut" or (fault is not None and fault.kind == "cut"):
            msg = "the recorded connection was lost"
            raise EngineError(msg)

    async def _until(self, started_at: float, at: float) -> None:
        if self._speed:
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(max(started_at + at / self._speed - now, 0.0))
        else:
            await asyncio.sleep(0)


async def _inject(fault: Fault, read: RecordedRead) -> bytes:
    """Return the bytes that replace a read."""
    match fault.kind:
        case "cut":
            msg = "the recorded connection was lost: injected fault"
            raise EngineError(msg)
        case "stall":
            await asyncio.Event().wait()
            return b""
        case "garbage":
            middle = len(read.data) // 2
            return read.data[:middle] + b"\xff" + read.data[middle + 1 :]
        case "error":
            return b"data: " + _ERROR + b"\n\n" if fault.after else _ERROR
