"""For tests of programs that use the SDK: a transport that replays a recorded response.

    transport = ReplayTransport.load("stream.sse", chunk_size=7)
    client = ZaiClient(api_key="a.b", http_client=httpx2.Client(transport=transport))

A recording is a body as bytes, or a file: the body itself, or the output of `headrace record`, with the
timing, the status and the ending.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import httpx2

from headrace.recording import Recording, decode_recording, is_recording

__all__ = ["ReplayTransport"]


class ReplayTransport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Returns the same response to each request; for `httpx2.Client` and `httpx2.AsyncClient`.

    Args:
        recording: the body, or its chunks; numbers between them are pauses in seconds.
        timed: keep the pauses.
        chunk_size: split the body into chunks of this many bytes.
        disconnect_after: disconnect after this many bytes.
        status: the response's status.
        headers: the response's headers, in addition to the content type of a stream.
    """

    def __init__(
        self,
        recording: bytes | Iterable[bytes | float],
        *,
        timed: bool = False,
        chunk_size: int | None = None,
        disconnect_after: int | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        chunks: list[bytes | float] = [recording] if isinstance(recording, bytes) else [*recording]
        if not timed:
            chunks = [chunk for chunk in chunks if isinstance(chunk, bytes)]
        self._chunks = chunks if chunk_size is None else _split(chunks, chunk_size)
        self._disconnect_after = disconnect_after
        self._status = status
        self._headers = {"content-type": "text/event-stream;charset=UTF-8", **(headers or {})}
        self.requests: list[httpx2.Request] = []
        """The requests received."""

    @classmethod
    def load(cls, path: str | PathLike[str], **options: Any) -> "ReplayTransport":
        """Load a file; `options` are those of the class, and override the recording's."""
        data = Path(path).read_bytes()
        if not is_recording(data):
            return cls(data, **options)
        return cls(**{**_arguments(decode_recording(data)), **options})

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        return self._respond(request)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return self._respond(request)

    def _respond(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        body = _Replay(self._chunks, self._disconnect_after)
        return httpx2.Response(self._status, headers=self._headers, stream=body)


class _Replay(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    def __init__(self, chunks: list[bytes | float], disconnect_after: int | None) -> None:
        self._chunks = chunks
        self._remaining = disconnect_after

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, bytes):
                yield from self._until_disconnect(chunk)
            else:
                time.sleep(chunk)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, bytes):
                for part in self._until_disconnect(chunk):
                    yield part
            else:
                await asyncio.sleep(chunk)

    def _until_disconnect(self, chunk: bytes) -> Iterator[bytes]:
        if self._remaining is None:
            yield chunk
            return
        if part := chunk[: self._remaining]:
            yield part
        self._remaining -= len(part)
        if self._remaining == 0:
            message = "the replayed connection is closed here"
            raise httpx2.RemoteProtocolError(message)


def _split(chunks: list[bytes | float], size: int) -> list[bytes | float]:
    parts: list[bytes | float] = []
    for chunk in chunks:
        if isinstance(chunk, bytes):
            parts += [chunk[at : at + size] for at in range(0, len(chunk), size)]
        else:
            parts.append(chunk)
    return parts


def _arguments(recording: Recording) -> dict[str, Any]:
    """Return the arguments of a transport that replays a recording."""
    chunks: list[bytes | float] = []
    now = 0.0
    for read in recording.reads:
        chunks += [read.at - now, read.data]
        now = read.at
    headers = {"content-type": recording.content_type}
    if recording.retry_after:
        headers["retry-after"] = recording.retry_after
    size = sum(len(read.data) for read in recording.reads)
    return {
        "recording": [*chunks, max(recording.ended_at - now, 0.0), b""],
        "status": recording.status,
        "headers": headers,
        "disconnect_after": size if recording.end == "cut" else None,
    }
