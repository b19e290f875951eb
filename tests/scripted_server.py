"""An HTTP server for tests, on a free loopback port: sends scripted responses and records the requests."""

import contextlib
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

__all__ = ["Asked", "Reply", "ScriptedServer", "chunk", "headrace", "sse", "stream"]


def chunk(content: str = "", **fields: Any) -> dict[str, Any]:
    """Return a chunk of a stream, with `content` or `delta` and further fields."""
    delta = fields.pop("delta", {"role": "assistant", "content": content})
    choice: dict[str, Any] = {"index": 0, "delta": delta}
    if "finish_reason" in fields:
        choice["finish_reason"] = fields.pop("finish_reason")
    return {
        "id": "turn-1",
        "created": 1,
        "object": "chat.completion.chunk",
        "model": "m",
        "choices": [choice],
        **fields,
    }


def sse(value: Any, *, id: int | None = None, event: str = "") -> bytes:
    """Encode an SSE event."""
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    head = f"event: {event}\n" if event else ""
    if id is not None:
        head += f"id: {id}\n"
    return f"{head}data: {data}\n\n".encode()


def stream(*texts: str, reason: str = "stop", numbered: bool = False) -> list[bytes]:
    """Return a complete stream as SSE events: one chunk per text, the finish chunk with usage, `[DONE]`."""
    usage = {"prompt_tokens": 3, "completion_tokens": len(texts), "total_tokens": 3 + len(texts)}
    chunks = [*map(chunk, texts), chunk(finish_reason=reason, usage=usage)]
    frames = [sse(each, id=number if numbered else None) for number, each in enumerate(chunks)]
    return [*frames, sse("[DONE]")]


@dataclass
class Reply:
    """A response. Its body is bytes, each written as one HTTP chunk, seconds to wait, and events to wait for.

    With a `content-length` header the body is sent unchunked; `x-wait` delays the head by that many seconds.
    `end`: "whole" ends the body, "cut" closes the connection before its end, "hold" never ends it.
    """

    body: list[bytes | float | threading.Event] | list[bytes] | bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    end: str = "whole"


def headrace(body: list[Any], turn: str = "turn-1", **fields: Any) -> Reply:
    """Return a response of a Headrace, whose turn can be resumed and stopped."""
    return Reply(body, headers={"x-headrace-turn": turn}, **fields)


@dataclass
class Asked:
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: int
    at: float = field(default_factory=time.monotonic)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


class ScriptedServer:
    """Sends the replies in order and then repeats the last one; over TLS if there is a `context`."""

    def __init__(self, *replies: Reply, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self.gone = threading.Event()
        """Set when a client disconnected during a write."""
        self.at: dict[str, Reply] = {}
        """Replies to requests for one path, outside that order."""
        self._replies = list(replies)
        self._stopping = threading.Event()
        self._http = _HttpServer(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if context else "http"
        if context:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}/api/paas/v4"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def next_reply(self, path: str) -> Reply:
        if path in self.at:
            return self.at[path]
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def wait(self, seconds: float) -> bool:
        return self._stopping.wait(seconds)


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the client has gone
                super().handle()

        def answer(self) -> None:
            size = int(self.headers.get("content-length", 0))
            raw = self.rfile.read(size)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(raw) if raw else None
            server.asked.append(Asked(self.command, self.path, headers, body, self.client_address[1]))
            try:
                self.reply(server.next_reply(self.path))
            except OSError:
                server.gone.set()
                self.close_connection = True

        do_GET = do_POST = do_DELETE = answer

        def reply(self, reply: Reply) -> None:
            if server.wait(float(reply.headers.get("x-wait", 0))):
                return
            self.send_response(reply.status)
            body = [reply.body] if isinstance(reply.body, bytes) else reply.body
            kind = "application/json" if isinstance(reply.body, bytes) else "text/event-stream;charset=UTF-8"
            counted = "content-length" in reply.headers
            framing = {} if counted else {"transfer-encoding": "chunked"}
            for name, value in {"content-type": kind, **framing, **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in body:
                if isinstance(piece, bytes):
                    self.wfile.write(piece if counted or not piece else b"%x\r\n%b\r\n" % (len(piece), piece))
                elif isinstance(piece, threading.Event):
                    piece.wait()
                elif server.wait(piece):
                    return
            self.finish_body(reply.end, counted=counted)

        def finish_body(self, end: str, *, counted: bool) -> None:
            if end == "whole":
                self.wfile.write(b"" if counted else b"0\r\n\r\n")
                return
            self.close_connection = True
            while end == "hold" and not server.wait(0.02):
                self.wfile.write(b"5\r\n: on\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
