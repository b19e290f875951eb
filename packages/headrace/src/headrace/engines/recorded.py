"""A server that is played from a trace, with its timing and, if wanted, its faults.

engine = UpstreamEngine(ReplayTransport([read_recording(path)], speed=10), protocol)
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count
from typing import Literal

import msgspec

from headrace.engines.protocols.error_mapping import Source
from headrace.engines.recording import Piece, Recording
from headrace.errors import EngineError

__all__ = ["Fault", "ReplayTransport"]

_ERROR = b'{"error":{"code":500,"message":"a fault, as asked for"}}'


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong.

    Args:
        kind: `cut` breaks the connection, `stall` says nothing more, `garbage` puts a byte that is
            no UTF-8 into a piece, `error` is an error object in the stream; as the first thing, a
            status 500.
        after: how many pieces come before.
    """

    kind: Literal["cut", "stall", "garbage", "error"]
    after: int = 0


class ReplayTransport:
    """See `headrace.engines.transport`. Each request gets the next trace, and after the last the first.

    Args:
        traces: at least one.
        speed: how many times faster than it was recorded; 0 is as fast as can be.
        fault: happens in every answer.
    """

    def __init__(
        self, traces: Sequence[Recording], *, speed: float = 1.0, fault: Fault | None = None
    ) -> None:
        self.source = Source("the recording")
        self._traces = traces
        self._speed = speed
        self._fault = fault
        self._turns = count()

    async def post(self, path: str, body: bytes) -> "RecordedResponse":  # noqa: ARG002
        """See `Transport`. What is asked makes no difference."""
        trace = self._traces[next(self._turns) % len(self._traces)]
        return RecordedResponse(trace, self._speed, self._fault)

    async def check(self) -> None:
        """A recording always answers."""

    async def close(self) -> None:
        """Nothing is held."""


class RecordedResponse:
    """See `headrace.engines.transport.Answer`."""

    def __init__(self, trace: Recording, speed: float, fault: Fault | None) -> None:
        is_refused = fault == Fault("error")
        self.status = 500 if is_refused else trace.status
        self.content_type = "application/json" if is_refused else trace.content_type
        self.retry_after = trace.retry_after
        self._speed = speed
        self._body = self._play(trace, fault)

    async def read(self) -> bytes:
        """See `Answer`."""
        return await anext(self._body, b"")

    def close(self) -> None:
        """Nothing is held."""

    async def _play(self, trace: Recording, fault: Fault | None) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, piece in enumerate(trace.pieces):
            await self._until(began, piece.at)
            if fault is not None and number == fault.after:
                yield await _broken(fault, piece)
                if fault.kind == "error":
                    return
            else:
                yield piece.data
        await self._until(began, trace.ended_at)
        if trace.end == "cut" or (fault is not None and fault.kind == "cut"):
            msg = "the recording broke off its answer"
            raise EngineError(msg)

    async def _until(self, began: float, at: float) -> None:
        if self._speed:
            now = asyncio.get_running_loop().time()
            await asyncio.sleep(max(began + at / self._speed - now, 0.0))
        else:
            await asyncio.sleep(0)


async def _broken(fault: Fault, piece: Piece) -> bytes:
    """The piece in whose place the fault happens."""
    match fault.kind:
        case "cut":
            msg = "the recording broke off its answer, as asked for"
            raise EngineError(msg)
        case "stall":
            await asyncio.Event().wait()
            return b""
        case "garbage":
            middle = len(piece.data) // 2
            return piece.data[:middle] + b"\xff" + piece.data[middle + 1 :]
        case "error":
            return b"data: " + _ERROR + b"\n\n" if fault.after else _ERROR
