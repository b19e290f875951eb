"""A proxy between clients and a server that records each response."""

import asyncio
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import msgspec

from headrace.engines.http import HttpTransport
from headrace.engines.recording import RecordedRead, Recording, write_recording
from headrace.engines.transport import UpstreamResponse
from headrace.errors import EngineError, HeadraceError, RequestError, encode_error
from headrace.server.app import PREFIXES
from headrace.server.connection import Receive, Send

__all__ = ["Recorder"]


class Recorder:
    """An ASGI application. It writes a recording when a response ends or its client disconnects.

    Args:
        transport: connects to the server.
        directory: receives `0001.jsonl` and so on; created if missing. Headers are not recorded.

    Raises:
        EngineError: the directory cannot be created.
    """

    def __init__(self, transport: HttpTransport, directory: Path) -> None:
        self._transport = transport
        self._directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"cannot write recordings to {directory}: {error.strerror}; choose another directory"
            raise EngineError(msg) from None
        numbers = (int(path.stem) for path in directory.glob("*.jsonl") if path.stem.isdecimal())
        self._last = max(numbers, default=0)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Forward one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        headers = dict(scope["headers"])
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        try:
            path, method = _path(scope["path"]), scope["method"]
            if method not in ("GET", "POST"):
                msg = f"{method} is not forwarded; use GET or POST"
                raise RequestError(msg, code="1222", status=405)
            body = await _body(receive)
            began = time.perf_counter()
            answer = await self._transport.request(method, path, body or None, authorization=authorization)
        except HeadraceError as error:
            await _start(send, error.status, "application/json")
            await send({"type": "http.response.body", "body": encode_error(error)})
            return
        reads, is_complete = await _forward(answer, receive, send, began)
        if method == "GET":
            return
        recording = Recording(
            path=path,
            request=_json(body),
            status=answer.status,
            content_type=answer.content_type,
            retry_after=answer.retry_after,
            reads=reads,
            end="whole" if is_complete else "cut",
            ended_at=_since(began),
        )
        self._last += 1
        await asyncio.to_thread(write_recording, self._directory / f"{self._last:04}.jsonl", recording)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._transport.close()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return


async def _forward(
    answer: UpstreamResponse, receive: Receive, send: Send, began: float
) -> tuple[list[RecordedRead], bool]:
    """Forward each read; return the reads, and whether the response was complete."""
    reads: list[RecordedRead] = []
    copying = asyncio.ensure_future(_copy(answer, send, reads, began))
    disconnect = asyncio.ensure_future(_until_disconnect(receive))
    await asyncio.wait((copying, disconnect), return_when=asyncio.FIRST_COMPLETED)
    disconnect.cancel()
    is_complete = copying.done() and copying.exception() is None
    copying.cancel()
    answer.close()
    return reads, is_complete


async def _copy(answer: UpstreamResponse, send: Send, reads: list[RecordedRead], began: float) -> None:
    await _start(send, answer.status, answer.content_type, answer.retry_after)
    while data := await answer.read():
        reads.append(RecordedRead(_since(began), data))
        await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _start(send: Send, status: int, content_type: str, retry_after: str = "") -> None:
    headers = [(b"content-type", content_type.encode("latin-1"))]
    if retry_after:
        headers.append((b"retry-after", retry_after.encode("latin-1")))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            msg = "the client disconnected before the request was complete"
            raise RequestError(msg)
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _path(path: str) -> str:
    for prefix in PREFIXES:
        if path.startswith(f"{prefix}/"):
            return path.removeprefix(f"{prefix}/").lstrip("/")  # never a path from the root
    msg = f"{path} is not forwarded; use one of {', '.join(PREFIXES)}"
    raise RequestError(msg, code="1222")


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 6)
