"""Clients: three of raw sockets that follow docs/resume.md, one of each API, and the SDK."""

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

__all__ = ["Answer", "MessageReader", "RawReader", "Rejection", "ResponseReader", "read_with_sdk", "request"]

_CHAT: Final = "/api/paas/v4/chat/completions"
_MESSAGES: Final = "/v1/messages"
_RESPONSES: Final = "/v1/responses"
_STOP_REASONS: Final = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
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
        self.add_text("".join(part or "" for part in parts), question)
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        if usage := chunk.get("usage"):
            self.usage = usage["prompt_tokens"], usage["completion_tokens"]

    def add_text(self, text: str, question: Question) -> None:
        """Add a part of the text."""
        self.text += text
        question.longest = max(question.longest, len(numbers(self.text)))

    def add_message_event(self, event: dict[str, Any], question: Question) -> None:
        """Add an event of the Messages API."""
        match event:
            case {"type": "content_block_start", "content_block": {"name": name}}:
                self.add_text(name, question)
            case {"delta": {"text": text} | {"thinking": text} | {"partial_json": text}}:
                self.add_text(text, question)
            case {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}:
                self.finish_reason = _STOP_REASONS.get(reason, reason)
                prompt = usage["input_tokens"] + usage["cache_read_input_tokens"]
                self.usage = prompt, usage["output_tokens"]
            case {"type": "message_stop"}:
                self.is_done = True
            case {"type": "error"}:
                self.note, self.finish_reason, self.is_done = str(event), "network_error", True

    def add_response_event(self, event: dict[str, Any], question: Question) -> None:
        """Add an event of the Responses API."""
        match event:
            case {"type": "response.output_item.added", "item": {"name": name}}:
                self.add_text(name, question)
            case {"delta": text}:
                self.add_text(text, question)
            case {"type": "response.failed", "response": {"error": error}}:
                self.note, self.finish_reason, self.is_done = str(error), "network_error", True
            case {"response": {"status": status, "usage": dict(usage), "output": output}}:
                calls = any(item["type"] == "function_call" for item in output)
                self.finish_reason = "length" if status == "incomplete" else "tool_calls" if calls else "stop"
                self.usage = usage["input_tokens"], usage["output_tokens"]
                self.is_done = True


class RawReader:
    """Reads an answer over as many connections as it takes.

    Args:
        question: what to ask.
        request_id: of the request.
        proxy: leads to a random replica.
        chance: the random number generator.
        id: of the turn, if another reader has started it.
        stay: the number of events with an id after which to hop to another replica; None to stay.
        pause: seconds between two connections, at most.
    """

    path = _CHAT
    name = "raw"

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
        self.answer = Answer(f"{self.name} {'reader' if id else 'asker'}")
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
                last_id = self._last_id
                self._add(frame)
                events += self._last_id != last_id  # else it would begin at the same event again
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
        path = f"{self.path}/{self._id}"
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


class MessageReader(RawReader):
    """Reads a turn as Anthropic's Messages. If the turn is lost, the request is one for chat completions.

    Several SSE events can have one id, which the last of them has: the others wait for it.
    """

    path = _MESSAGES
    name = "message"
    _is_asking = False

    async def _read_once(self) -> None:
        self._is_asking = not self._id
        self._waiting: list[dict[str, Any]] = []
        await super()._read_once()

    def _add(self, frame: bytes) -> None:
        if self._is_asking:  # the id is all that it needs
            msg = "read as Messages"
            raise ConnectionError(msg)
        lines = [line for line in frame.decode().split("\n") if not line.startswith(":")]
        fields = dict(line.partition(": ")[::2] for line in lines)
        if "data" not in fields:
            return
        self._waiting.append(json.loads(fields["data"]))
        if "id" in fields:
            self._last_id = fields["id"]
            for event in self._waiting:
                self.answer.add_message_event(event, self._question)
            self._waiting.clear()


class ResponseReader(RawReader):
    """Reads a turn as OpenAI's Responses, after the last number. If the turn is lost, it asks as above."""

    path = _RESPONSES
    name = "response"
    _number = -1

    def _open(self) -> AsyncGenerator[bytes | Rejection, None]:
        if not self._id:
            return super()._open()
        if self._number < 0:
            self.answer.text = ""
        headers = {"X-Headrace-Resumable": "1"}
        if self._last_id:  # shows the server whether its store has lost events
            headers["Last-Event-ID"] = self._last_id
        path = f"{self.path}/{self._id}?stream=true"
        path += f"&starting_after={self._number}" if self._number >= 0 else ""
        return _frames(self._proxy.port, "GET", path, headers, None, on_id=self._on_id)

    def _add(self, frame: bytes) -> None:
        fields = dict(line.partition(": ")[::2] for line in frame.decode().split("\n"))
        if "data" not in fields:
            return
        event = json.loads(fields["data"])
        if "sequence_number" not in event:  # it has asked, and the id is all that it needs
            msg = "read as Responses"
            raise ConnectionError(msg)
        self._last_id = fields.get("id", self._last_id)
        if event["sequence_number"] > self._number:
            self._number = event["sequence_number"]
            self.answer.add_response_event(event, self._question)

    def _reject(self, rejection: Rejection) -> None:
        super()._reject(rejection)
        if not self._id:
            self._number = -1


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
        if status == 204:  # the client has received the complete answer, but not the end of the stream
            yield b"data: [DONE]"
            return
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
