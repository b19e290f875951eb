"""For the tests of programs that use the SDK: a transport that answers from a recorded stream.

    transport = ReplayTransport.load("stream.sse", piece_bytes=7)
    client = ZaiClient(api_key="a.b", http_client=httpx2.Client(transport=transport))

A recording is a body as bytes, or a file: a trace that `headrace record` wrote, with its timing, its status
and its ending, or the body itself.
"""

import asyncio
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import httpx2
import msgspec

__all__ = ["ReplayTransport"]


class _RecordingHead(msgspec.Struct, frozen=True):
    path: str
    status: int = 200
    content_type: str = "text/event-stream"
    retry_after: str = ""


class _RecordingLine(msgspec.Struct, frozen=True):
    at: float
    text: str = ""
    base64: str = ""
    end: Literal["whole", "cut", ""] = ""


class ReplayTransport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Gives the same answer to every request, for `httpx2.Client` and `httpx2.AsyncClient` alike.

    Args:
        recording: the body, or its pieces, in which numbers are seconds of silence.
        timed: keep the silences; otherwise everything comes at once.
        piece_bytes: cut the body into pieces of this size instead of those of the recording.
        break_after: after so many bytes the connection breaks.
        status: of the response.
        headers: of the response, besides the content type of a stream.
    """

    def __init__(
        self,
        recording: bytes | Iterable[bytes | float],
        *,
        timed: bool = False,
        chunk_size: int | None = None,
        break_after: int | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        pieces: list[bytes | float] = [recording] if isinstance(recording, bytes) else [*recording]
        if not timed:
            pieces = [piece for piece in pieces if isinstance(piece, bytes)]
        self._pieces = pieces if chunk_size is None else _cut(pieces, chunk_size)
        self._break_after = break_after
        self._status = status
        self._headers = {"content-type": "text/event-stream;charset=UTF-8", **(headers or {})}
        self.requests: list[httpx2.Request] = []
        """Those that were answered."""

    @classmethod
    def load(cls, path: str | PathLike[str], **options: Any) -> "ReplayTransport":
        """From a file; `options` are those of the class, and win over what a trace says."""
        data = Path(path).read_bytes()
        first, _, rest = data.partition(b"\n")
        try:
            head = msgspec.json.decode(first, type=_RecordingHead)
        except msgspec.DecodeError:
            return cls(data, **options)
        return cls(**{**_parse_recording(head, rest), **options})

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """For httpx2."""
        request.read()
        return self._answer(request)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """For httpx2."""
        await request.aread()
        return self._answer(request)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        body = _Replay(self._pieces, self._break_after)
        return httpx2.Response(self._status, headers=self._headers, stream=body)


class _Replay(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, pieces: list[bytes | float], break_after: int | None) -> None:
        self._pieces = pieces
        self._left = break_after

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield from self._until_the_break(piece)
            else:
                time.sleep(piece)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                for part in self._until_the_break(piece):
                    yield part
            else:
                await asyncio.sleep(piece)

    def _until_the_break(self, piece: bytes) -> Iterator[bytes]:
        if self._left is None:
            yield piece
            return
        if part := piece[: self._left]:
            yield part
        self._left -= len(part)
        if self._left == 0:
            message = "the replayed connection breaks here"
            raise httpx2.RemoteProtocolError(message)


def _cut(pieces: list[bytes | float], size: int) -> list[bytes | float]:
    parts: list[bytes | float] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            parts += [piece[at : at + size] for at in range(0, len(piece), size)]
        else:
            parts.append(piece)
    return parts


def _parse_recording(head: _RecordingHead, text: bytes) -> dict[str, Any]:
    """The arguments that play a trace."""
    lines = [msgspec.json.decode(line, type=_RecordingLine) for line in text.splitlines() if line]
    pieces: list[bytes | float] = []
    now = 0.0
    for line in lines:
        pieces += [line.at - now, line.text.encode() or b64decode(line.base64)]
        now = line.at
    headers = {"content-type": head.content_type}
    if head.retry_after:
        headers["retry-after"] = head.retry_after
    size = sum(len(piece) for piece in pieces if isinstance(piece, bytes))
    was_cut = not lines or lines[-1].end != "whole"
    return {
        "recording": pieces,
        "status": head.status,
        "headers": headers,
        "break_after": size if was_cut else None,
    }
