"""An endpoint without sockets that holds every rule of `headrace check`, and a switch that breaks one.

A fault may change the chunks or the events of a stream, its bytes, the response, or the error of a bad request.
"""

import asyncio
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headrace.checking import Request, Response
from headrace.checking.variants import LIMIT
from headrace.errors import RequestError
from right_apis import RIGHT_APIS, RightApi, chat_fields

__all__ = ["Fault", "RightEndpoint"]

Chunks = list[dict[str, Any]]
POEM = "The sea is calm, the sky is wide, and every wave has come to bide. "
UNKNOWN = RequestError("the model does not exist")
CHINESE = "大海无边，浪花点点🌊。"


def unchanged(value: Any, *_: Any) -> Any:
    return value


@dataclass
class Fault:
    """What differs from the right endpoint; each function gets a value and the request's body."""

    chunks: Callable[[Chunks, dict[str, Any]], Chunks] = unchanged
    events: Callable[[Chunks, dict[str, Any]], Chunks] = unchanged
    """Of the other APIs."""
    stream: Callable[[bytes, dict[str, Any]], bytes] = unchanged
    times: Callable[[list[float], bytes], list[float]] = unchanged
    response: Callable[[Response, Any], Response] = unchanged
    accepts: str = ""
    """A bad field that gets 200."""
    repeats: int = 0
    """Events that a resumed stream repeats; below 0, events that it leaves out."""
    every: int = 1
    """Only each answer of this number is faulty."""


@dataclass
class RightEndpoint:
    """Answers the plan of `headrace check` correctly, but for the fault."""

    fault: Fault = field(default_factory=Fault)
    key: str = "id.secret"
    running: int = 0
    answers: int = 0
    resumable: Response = field(default_factory=Response)

    async def send(self, request: Request) -> Response:
        self.running += 1
        place = self.running
        await asyncio.sleep(0)
        response, body = self.respond(request, place)
        self.running -= 1
        response = self.fault.response(response, body)
        if request.leave_after:
            left = response.pieces[: request.leave_after]
            return msgspec.structs.replace(response, pieces=left)
        return response

    def respond(self, request: Request, place: int) -> tuple[Response, Any]:
        if request.method == "OPTIONS":
            return preflight(request), None
        if request.path == "/models":
            return whole({"data": [{"id": "glm-4.6"}]}), None
        if request.method == "GET":
            return self.resume(request), None
        if "wrong" in request.headers.get("Authorization", ""):
            return error(401, "the API key is wrong"), request
        if api := RIGHT_APIS.get(request.path):
            return self.respond_in(api, request)
        try:
            body = json.loads(request.body)
        except ValueError:
            return error(400, "the body is not JSON"), request.body
        if refused := wrong_field(body):
            accepted = refused == self.fault.accepts
            return whole({}) if accepted else error(400, f"{refused}: the value is wrong"), body
        if body["model"] != "glm-4.6":
            return error(404, "the model does not exist"), body
        if place > 8 and body["max_tokens"] == 30:
            return error(429, "too many requests", {"retry-after": "1"}), body
        self.answers += 1
        fault = self.fault if self.answers % self.fault.every == 0 else Fault()
        chunks = chunks_of(body, f"turn-{self.answers}")
        if body.get("stream") is True:
            frames = [json.dumps(chunk) for chunk in fault.chunks(chunks, body)]
            sent = "".join(f"id: {number}\ndata: {frame}\n\n" for number, frame in enumerate(frames))
            response = stream(f": keep-alive\n{sent}data: [DONE]\n\n".encode(), body, fault, request.headers)
            if "X-Headrace-Resumable" in request.headers:
                response.headers["x-headrace-turn"] = f"turn-{self.answers}"
                self.resumable = response
            if place > 10 and body["max_tokens"] == 6:
                response.pieces = [(at + 3, piece) for at, piece in response.pieces]
            return response, body
        return whole(fold(chunks)), body

    def respond_in(self, api: RightApi, request: Request) -> tuple[Response, Any]:
        """Answer in another API."""
        try:
            chat = api.decode(request.body)
        except RequestError as refused:
            reason = api.error(refused).decode()
            accepted = self.fault.accepts and self.fault.accepts in reason
            return (whole({}) if accepted else whole(json.loads(reason), 400)), request.body
        body = json.loads(request.body)
        if chat.model != "glm-4.6":
            return whole(json.loads(api.error(UNKNOWN)), 404), body
        self.answers += 1
        fault = self.fault if self.answers % self.fault.every == 0 else Fault()
        id = f"turn{self.answers}"
        events = api.events(id, chat, *deltas_of(chat_fields(chat)))
        if not body.get("stream"):
            return whole(api.fold(events)), body
        frames = [
            f"id: {number}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
            for number, event in enumerate(fault.events(events, body))
        ]
        response = stream(f": keep-alive\n{''.join(frames)}".encode(), body, fault, request.headers)
        if "X-Headrace-Resumable" in request.headers:
            response.headers["x-headrace-turn"] = id
            self.resumable = response
        return response, body

    def resume(self, request: Request) -> Response:
        """The stream after an event: a piece for each event, the comment in the first one."""
        pieces = self.resumable.pieces
        _, _, number = request.path.partition("starting_after=")
        if after := request.headers.get("Last-Event-ID", number):
            pieces = pieces[int(after) + 1 - self.fault.repeats :]
        times = [number / 10 for number in range(1, len(pieces) + 1)]
        data = [piece for _, piece in pieces]
        return msgspec.structs.replace(
            self.resumable, pieces=list(zip(self.fault.times(times, b""), data, strict=True))
        )


def wrong_field(body: Any) -> str:
    if not isinstance(body, dict):
        return "body"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "messages"
    for message in messages:
        if message["role"] not in ("system", "user", "assistant", "tool"):
            return "role"
        if not isinstance(message["content"], str | None):
            return "content"
    if isinstance(body["temperature"], str):
        return "temperature"
    if body.get("top_p", 1) > 1:
        return "top_p"
    if body["max_tokens"] < 1:
        return "max_tokens"
    if isinstance(body.get("tools"), str):
        return "tools"
    return "" if isinstance(body.get("stream", False), bool) else "stream"


def deltas_of(body: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The deltas of the right answer, and its finish reason."""
    last = body["messages"][-1]
    if "tools" in body and last["role"] == "user":
        names = ["get_weather", "get_time"][: len(body["tools"])]
        calls = [(index, name) for index, name in enumerate(names)]
        deltas = []
        for index, name in calls:
            head = {"index": index, "id": f"call_{index}", "type": "function"}
            deltas.append({"tool_calls": [{**head, "function": {"name": name, "arguments": ""}}]})
            deltas += (
                {"tool_calls": [{"index": index, "function": {"arguments": part}}]}
                for part in ('{"location": ', '"Paris"}')
            )
        return deltas, "tool_calls"
    text, reason = POEM, "stop"
    if body.get("response_format"):
        text = '{"city": "Paris", "country": "France"}'
    elif not last["content"].isascii() and last["role"] == "user":
        text = CHINESE
    elif body.get("max_tokens") == LIMIT:
        text, reason = "The sea ", "length"
    elif body["max_tokens"] == 600:
        text *= 4
    if body.get("stop"):
        text = text[: text.index(body["stop"][0])]
    deltas = [{"content": text[at : at + 4]} for at in range(0, len(text), 4)]
    if body.get("thinking", {}).get("type") == "enabled":
        deltas.insert(0, {"reasoning_content": "The user wants a poem."})
    return deltas, reason


def chunks_of(body: dict[str, Any], id: str) -> Chunks:
    deltas, reason = deltas_of(body)
    deltas[0] = {"role": "assistant", **deltas[0]}
    head = {"id": id, "created": 1795932494, "object": "chat.completion.chunk", "model": "glm-4.6"}
    count = min(len(deltas), body["max_tokens"])
    usage = {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    return [
        *chunks,
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage},
    ]


def fold(chunks: Chunks) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        delta = chunk["choices"][0]["delta"]
        message["content"] += delta.get("content", "")
        for part in delta.get("tool_calls", ()):
            call = calls.setdefault(part["index"], {"name": "", "arguments": ""})
            for name, text in part["function"].items():
                call[name] += text
    if calls:
        message["tool_calls"] = [{"id": f"call_{index}", "function": call} for index, call in calls.items()]
    choice = {"index": 0, "message": message, "finish_reason": chunks[-1]["choices"][0]["finish_reason"]}
    last = chunks[-1]
    return {**last, "object": "chat.completion", "choices": [choice]}


def stream(sent: bytes, body: dict[str, Any], fault: Fault, headers: Any) -> Response:
    sent = fault.stream(sent, body)
    pieces = [piece + b"\n\n" for piece in sent.split(b"\n\n")]
    pieces[-1] = pieces[-1].removesuffix(b"\n\n")
    names = {"content-type": "text/event-stream", "server": "right"}
    if headers.get("Accept-Encoding") == "gzip":
        deflater = zlib.compressobj(wbits=31)
        pieces = [deflater.compress(piece) + deflater.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
        names["content-encoding"] = "gzip"
    times = fault.times([number / 10 for number in range(1, len(pieces) + 1)], sent)
    return Response(
        status=200, headers=names, pieces=list(zip(times, pieces, strict=True)), seconds=max(times) + 0.1
    )


def whole(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        status=status,
        headers={"content-type": "application/json", **(headers or {})},
        pieces=[(0.1, json.dumps(value).encode())],
        seconds=0.1,
    )


def error(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return whole({"error": {"code": "1214", "message": message}}, status, headers)


def preflight(request: Request) -> Response:
    allowed = request.headers["Access-Control-Request-Headers"]
    headers = {"access-control-allow-origin": "*", "access-control-allow-headers": allowed}
    return Response(status=204, headers=headers, seconds=0.1)
