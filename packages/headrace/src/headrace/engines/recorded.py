"""A transport that replays recordings, with their timing and optional faults.

engine = UpstreamEngine(ReplayTransport([read_recording(path)], speed=10), protocol)
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import count
from typing import Literal

import msgspec

from headrace.engines.playback import Playback
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.transport import ResponseHead, ResponseListener
from headrace.errors import EngineError
from headrace.recording import RecordedRead, Recording

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


class _Response(Playback[ResponseHead | bytes]):
    def measure(self, report: Callable[[float], None]) -> None:
        """Report nothing: there is no socket."""


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

    def post(
        self,
        path: str,  # noqa: ARG002
        body: bytes,  # noqa: ARG002
        listener: ResponseListener,
        headers: Sequence[tuple[bytes, bytes]] = (),  # noqa: ARG002
    ) -> "_Response":
        """Send the next recording, whatever the request."""
        recording = self._recordings[next(self._requests) % len(self._recordings)]
        is_error = self._fault == Fault("error")
        head = ResponseHead(
            500 if is_error else recording.status,
            "application/json" if is_error else recording.content_type,
            recording.retry_after,
        )

        def emit(item: ResponseHead | bytes) -> None:
            if isinstance(item, ResponseHead):
                listener.on_head(item)
            else:
                listener.on_body(item)

        return _Response(self._play(recording, head), emit, listener.on_end)

    async def check(self) -> None:
        """Do nothing: a recording is always available."""

    async def close(self) -> None:
        """Do nothing."""

    async def _play(
        self, recording: Recording, head: ResponseHead
    ) -> AsyncGenerator[ResponseHead | bytes, None]:
        started_at, fault = asyncio.get_running_loop().time(), self._fault
        yield head
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
