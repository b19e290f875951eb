"""A proxy between clients and a server that records each response.

Bodies are passed on as they arrive, in both directions. A client that reads slowly pauses the server.
"""

import asyncio
import re
import time
from collections.abc import Callable, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from headrace.engines.http import HttpTransport
from headrace.engines.http.outgoing import OutgoingRequest
from headrace.engines.transport import ResponseHead
from headrace.errors import EngineError, HeadraceError, RequestError
from headrace.http1 import encode_chunk
from headrace.recording import RecordedRead, RecordingHead, RecordingWriter
from headrace.server.connection import HttpConnection, Receive, Send
from headrace.server.origins import check_origin
from headrace.server.turn_endpoints import PREFIXES

__all__ = ["Recorder"]

_MAX_QUEUED: Final = 16  # reads that may wait for a slow client


class Recorder:
    """An ASGI application. It writes a recording when a response ends or its client disconnects.

    Args:
        transport: connects to the server.
        directory: receives `0001.jsonl` and so on; created if missing. Headers are not recorded.
        max_body_size: the limit of a request body in bytes; the whole body becomes part of the recording.

    Raises:
        EngineError: the directory cannot be created.
    """

    def __init__(self, transport: HttpTransport, directory: Path, max_body_size: int) -> None:
        self._transport = transport
        self._max_body_size = max_body_size
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"cannot write recordings to {directory}: {error.strerror}; choose another directory"
            raise EngineError(msg) from None
        numbers = (int(path.stem) for path in directory.glob("*.jsonl") if path.stem.isdecimal())
        self._last = max(numbers, default=0)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        connection = HttpConnection(scope, receive, send)
        try:
            check_origin(connection, ())
            path = _path(scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii"))
            connection.check_method("GET", "POST")
            exchange = _Exchange(connection, self._transport, path)
            try:
                await self._run(connection, exchange, path)
            finally:
                exchange.stop()
        except HeadraceError as error:
            await connection.send_error(error)

    async def _run(self, connection: HttpConnection, exchange: "_Exchange", path: str) -> None:
        body = await connection.body(self._max_body_size, exchange.send)
        exchange.end_request()
        disconnect = asyncio.create_task(connection.until_disconnect())
        disconnect.add_done_callback(lambda _: exchange.stop())
        try:
            await exchange.respond(partial(self._open, path, body) if connection.method == "POST" else None)
        finally:
            disconnect.cancel()

    def _open(self, path: str, body: bytearray, head: ResponseHead) -> RecordingWriter:
        self._last += 1
        recorded = RecordingHead(path, _json(body), head.status, head.content_type, head.retry_after)
        try:
            return RecordingWriter(self._directory / f"{self._last:04}.jsonl", recorded)
        except OSError as error:
            msg = f"cannot write a recording to {self._directory}: {error.strerror}"
            raise EngineError(msg) from None

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._transport.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


class _Exchange:
    """A request on its way to the server, and the response on its way back, with the time of each read."""

    def __init__(self, connection: HttpConnection, transport: HttpTransport, path: str) -> None:
        self._connection = connection
        self._transport = transport
        self._path = path
        self._request: OutgoingRequest | None = None
        self._is_chunked = "transfer-encoding" in connection.headers
        self._head: ResponseHead | None = None
        self._queue: asyncio.Queue[RecordedRead | HeadraceError | None] = asyncio.Queue()
        self._is_stopped = False
        self._started_at = time.perf_counter()
        self._ended_at = 0.0

    def send(self, part: bytes) -> None:
        """Send a part of the request's body, which may be empty; the head before the first one."""
        if self._request is None:
            headers = self._connection.headers
            length = f"Content-Length: {headers.get('content-length', 0)}"
            framing = "Transfer-Encoding: chunked" if self._is_chunked else length
            own = headers.get("x-api-key") or headers.get("api-key")
            key = headers.get("authorization") or (f"Bearer {own}" if own else "")
            method = self._connection.method
            self._request = self._transport.open(method, self._path, framing, self, authorization=key)
        if part:
            self._request.write(encode_chunk(part) if self._is_chunked else part)

    def end_request(self) -> None:
        """Send the end of the request's body."""
        if self._is_chunked and self._request is not None:
            self._request.write(encode_chunk(b""))

    def stop(self) -> None:
        """Stop: the client has disconnected, or its request is invalid."""
        self._is_stopped = True
        if self._request is not None:
            self._request.stop()

    # --- as the response's listener ---------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        self._head = head

    def on_body(self, data: bytes) -> None:
        self._queue.put_nowait(RecordedRead(self._seconds(), data))
        if self._queue.qsize() >= _MAX_QUEUED and self._request is not None:
            self._request.pause()

    def on_end(self, error: HeadraceError | None) -> None:
        self._ended_at = self._seconds()
        self._queue.put_nowait(error)

    # --- to the client ----------------------------------------------------------------------------------

    async def respond(self, record: Callable[[ResponseHead], RecordingWriter] | None) -> None:
        """Send what arrives until the response ends; cut the client's connection if it breaks off."""
        item = await self._queue.get()
        if self._head is None:
            if isinstance(item, HeadraceError):
                await self._connection.send_error(item)
            return
        writer = record(self._head) if record else None
        is_complete = False
        try:
            await _start(self._connection.send, self._head)
            while isinstance(item, RecordedRead):
                if writer:
                    writer.write(item)
                message = {"type": "http.response.body", "body": item.data, "more_body": True}
                await self._connection.send(message)
                if self._queue.empty() and self._request is not None:
                    self._request.resume()
                item = await self._queue.get()
            is_complete = item is None and not self._is_stopped
            if is_complete:
                await self._connection.send({"type": "http.response.body", "body": b""})
        finally:
            if writer:
                writer.finish("whole" if is_complete else "cut", self._ended_at or self._seconds())

    def _seconds(self) -> float:
        return round(time.perf_counter() - self._started_at, 6)


async def _start(send: Send, head: ResponseHead) -> None:
    headers = [(b"content-type", head.content_type.encode("latin-1"))]
    if head.retry_after:
        headers.append((b"retry-after", head.retry_after.encode("latin-1")))
    await send({"type": "http.response.start", "status": head.status, "headers": headers})


def _path(path: str, query: str) -> str:
    """Return what follows the base URL, as the client wrote it.

    Raises:
        RequestError: 1222, it could lead out of the base URL.
    """
    rest = next((path.removeprefix(f"{prefix}/") for prefix in PREFIXES if path.startswith(f"{prefix}/")), "")
    segments = re.split(r"[/\\]", unquote(rest))
    if not segments[0] or not {".", ".."}.isdisjoint(segments):
        msg = f"{path} is not forwarded; use a path below one of {', '.join(PREFIXES)}"
        raise RequestError(msg, code="1222")
    return f"{rest}?{query}" if query else rest


def _json(body: bytearray) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
