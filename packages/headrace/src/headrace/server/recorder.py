"""A proxy between clients and a server that records each response."""

import asyncio
import re
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from headrace.engines.base import Run
from headrace.engines.http import HttpTransport
from headrace.engines.transport import ResponseHead
from headrace.errors import EngineError, HeadraceError, RequestError
from headrace.recording import RecordedRead, Recording, write_recording
from headrace.server.app import PREFIXES
from headrace.server.connection import HttpConnection, Receive, Send
from headrace.server.origins import check_origin

__all__ = ["Recorder"]


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
            body = bytes(await connection.body(self._max_body_size))
            copy = _Copy(connection)
            authorization = connection.headers.get("authorization", "")
            run = self._transport.request(connection.method, path, body, copy, authorization=authorization)
        except HeadraceError as error:
            await connection.send_error(error)
            return
        disconnect = asyncio.create_task(connection.until_disconnect())
        disconnect.add_done_callback(lambda _: copy.stop(run))
        try:
            await copy.run()
        finally:
            disconnect.cancel()
            run.stop()
        if connection.method == "POST" and copy.head is not None:
            self._last += 1
            path_of_file = self._directory / f"{self._last:04}.jsonl"
            await asyncio.to_thread(write_recording, path_of_file, copy.recording(path, _json(body)))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._transport.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


class _Copy:
    """A response's listener: passes it on to the client, and keeps what was read with its time."""

    def __init__(self, connection: HttpConnection) -> None:
        self.head: ResponseHead | None = None
        self._connection = connection
        self._reads: list[RecordedRead] = []
        self._is_complete = self._is_stopped = False
        self._queue: asyncio.Queue[bytes | HeadraceError | None] = asyncio.Queue()
        self._started_at = time.perf_counter()
        self._ended_at = 0.0

    def on_head(self, head: ResponseHead) -> None:
        self.head = head

    def on_body(self, data: bytes) -> None:
        self._reads.append(RecordedRead(self._seconds(), data))
        self._queue.put_nowait(data)

    def on_end(self, error: HeadraceError | None) -> None:
        self._ended_at = self._seconds()
        self._queue.put_nowait(error)

    def stop(self, run: Run) -> None:
        """End the response: the client has disconnected."""
        self._is_stopped = True
        run.stop()

    async def run(self) -> None:
        """Send what arrives until the response ends; cut the client's connection if it breaks off."""
        has_started = False
        while True:
            item = await self._queue.get()
            if isinstance(item, HeadraceError) and self.head is None:
                await self._connection.send_error(item)
                return
            if not has_started and self.head is not None:
                has_started = True
                await _start(self._connection.send, self.head)
            if not isinstance(item, bytes):
                break
            await self._connection.send({"type": "http.response.body", "body": item, "more_body": True})
        self._is_complete = item is None and not self._is_stopped
        if self._is_complete and has_started:
            await self._connection.send({"type": "http.response.body", "body": b""})

    def recording(self, path: str, request: Any) -> Recording:
        assert self.head is not None
        return Recording(
            path=path,
            request=request,
            status=self.head.status,
            content_type=self.head.content_type,
            retry_after=self.head.retry_after,
            reads=self._reads,
            end="whole" if self._is_complete else "cut",
            ended_at=self._ended_at,
        )

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


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
