"""Clients: one of raw sockets that follows docs/resume.md, and the SDK."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from proxy import Proxy
from question import Question, numbers

from zai import APIConnectionError, APIStatusError, AsyncZaiClient, ZaiError

__all__ = ["Answer", "RawReader", "Rejection", "read_with_sdk", "request"]

_CHAT: Final = "/api/paas/v4/chat/completions"
_FAILURES: Final = (OSError, asyncio.IncompleteReadError, ValueError)


class Rejection(NamedTuple):
    """An error status."""

    status: int
    headers: dict[str, str]
    text: str


@dataclass(eq=False)
class Answer:
    """What a reader has received."""

    who: str
    text: str = ""
    finish_reason: str | None = None
    usage: tuple[int, int] | None = None
    is_done: bool = False
    rejections: list[Rejection] = field(default_factory=list)
    unnumbered: int = 0
    """Events without an id."""
    note: str = ""

    def reject(self, rejection: Rejection) -> None:
        """Note an error status; an answer that failed before its first event has one."""
        self.rejections.append(rejection)
        if rejection.status >= 500 and rejection.status != 503:
            self.finish_reason = "network_error"
            self.is_done = True

    def add(self, chunk: dict[str, Any], question: Question) -> None:
        """Add a chunk."""
        question.add_id(chunk["id"])
        choice = chunk["choices"][0]
        delta = choice["delta"]
        functions = [call["function"] for call in delta.get("tool_calls") or ()]
        parts = [delta.get("reasoning_content"), delta.get("content")]
        parts += [function.get(name) for function in functions for name in ("name", "arguments")]
        self.text += "".join(part or "" for part in parts)
        question.longest = max(question.longest, len(numbers(self.text)))
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if usage := chunk.get("usage"):
            self.usage = usage["prompt_tokens"], usage["completion_tokens"]


class RawReader:
    """Reads an answer over as many connections as it takes.

    Args:
        question: what to ask.
        request_id: of the request.
        proxy: leads to a random replica.
        chance: the random number generator.
        id: of the turn, if another reader has started it.
        stay: the number of events after which to hop to another replica; None to stay.
        pause: seconds between two connections, at most.
    """

    def __init__(
        self,
        question: Question,
        request_id: str,
        proxy: Proxy,
        chance: random.Random,
        *,
        id: str = "",
        stay: int | None = None,
        pause: float = 0.2,
    ) -> None:
        self.answer = Answer("raw reader" if id else "raw asker")
        self._question = question
        self._request_id = request_id
        self._proxy = proxy
        self._chance = chance
        self._id = id
        self._stay = stay
        self._pause = pause
        self._last_id = ""

    async def read(self) -> Answer:
        while not self.answer.is_done:
            with suppress(*_FAILURES):
                await self._read_once()
            await asyncio.sleep(self._chance.uniform(0, self._pause))
        return self.answer

    async def _read_once(self) -> None:
        async with aclosing(self._open()) as frames:
            events = 0
            async for frame in frames:
                if isinstance(frame, Rejection):
                    self._reject(frame)
                    return
                self._add(frame)
                events += 1
                if self.answer.is_done or (self._stay and events >= self._stay):
                    return

    def _open(self) -> AsyncGenerator[bytes | Rejection, None]:
        headers = {"X-Headrace-Resumable": "1"}
        if not self._last_id:  # from the beginning
            self.answer.text = ""
        if not self._id:
            fields = {"stream": True, "request_id": self._request_id}
            return _frames(
                self._proxy.port, "POST", _CHAT, headers, {**self._question.body, **fields}, on_id=self._on_id
            )
        path = f"{_CHAT}/{self._id}"
        if self._last_id and self._chance.random() < 0.5:
            path += f"?after={self._last_id}"
        elif self._last_id:
            headers["Last-Event-ID"] = self._last_id
        return _frames(self._proxy.port, "GET", path, headers, None, on_id=self._on_id)

    def _on_id(self, id: str) -> None:
        self._id = self._id or id
        self._question.add_id(id)

    def _add(self, frame: bytes) -> None:
        fields: dict[str, str] = {}
        for line in frame.decode().split("\n"):
            name, _, value = line.partition(":")
            fields[name] = fields.get(name, "") + value.removeprefix(" ")
        data = fields.get("data", "")
        if data == "[DONE]":
            self.answer.is_done = True
        elif fields.get("event") == "error":
            self.answer.note = data
        elif data:
            self.answer.unnumbered += "id" not in fields
            self.answer.add(json.loads(data), self._question)
        self._last_id = fields.get("id", self._last_id)

    def _reject(self, rejection: Rejection) -> None:
        self.answer.reject(rejection)
        if rejection.status in (404, 410):  # read the answer from its beginning, by the request
            self._id = self._last_id = ""


async def read_with_sdk(question: Question, request_id: str | None, proxy: Proxy) -> Answer:
    """Read an answer with the SDK; if it gives up and there is a `request_id`, repeat the request."""
    answer = Answer("SDK")
    async with AsyncZaiClient(api_key="any.key", base_url=proxy.url) as client:
        while not answer.is_done:
            answer.text = ""
            try:
                stream = await client.chat.completions.create(
                    stream=True, request_id=request_id, **question.body
                )
                async for chunk in stream:
                    answer.add(chunk.model_dump(), question)
                answer.is_done = True
            except APIStatusError as error:
                if request_id and "send the request again" in error.message:
                    continue  # the store has lost the whole turn
                headers = dict(error.response.headers)
                answer.reject(Rejection(error.status_code, headers, error.message))
            except APIConnectionError as error:
                answer.note = repr(error)
                answer.is_done = not request_id
            except ZaiError as error:
                answer.note, answer.finish_reason = repr(error), "network_error"
                answer.is_done = True
            await asyncio.sleep(0.1)
    return answer


async def request(
    port: int, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any] | Rejection:
    """Send a request whose response is JSON; the path is that below `/api/paas/v4`."""
    async with aclosing(_frames(port, method, f"/api/paas/v4{path}", {}, body)) as frames:
        async for frame in frames:
            return frame if isinstance(frame, Rejection) else dict(json.loads(frame))
    msg = "an empty response"
    raise ConnectionError(msg)


async def _frames(
    port: int,
    method: str,
    path: str,
    headers: dict[str, str],
    body: dict[str, Any] | None,
    *,
    on_id: Callable[[str], None] = lambda _: None,
) -> AsyncGenerator[bytes | Rejection, None]:
    """Send a request; yield the frames of a stream, or the whole body of any other response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(data)}"]
        lines += ["Content-Type: application/json", *(f"{name}: {value}" for name, value in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + data)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().rstrip().split("\r\n")
        status = int(head[0].split()[1])
        received = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        if "chunked" not in received.get("transfer-encoding", ""):
            whole = await reader.readexactly(int(received["content-length"]))
            yield whole if status == 200 else Rejection(status, received, whole.decode())
            return
        on_id(received["x-request-id"])
        rest = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            while size:
                if not (data := await reader.read(size)):
                    msg = "the connection was closed within a chunk"
                    raise ConnectionError(msg)
                size -= len(data)
                *frames, rest = (rest + data).split(b"\n\n")
                for frame in frames:
                    yield frame
            await reader.readexactly(2)
    finally:
        writer.close()
