"""Requests that fail, each with the response of a running server: the errors of docs/http-api.md.

Every error has its real cause. Models are scripts: one fails, one is silent, one's server does not run.
"""

import json
import logging
import re
import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPResponse
from typing import Any, Final, NamedTuple

from headrace.engines import ScriptedEngine
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.errors import EngineError
from headrace.formats import FORMATS
from headrace.limits import LimitSettings
from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.turns import TurnSettings

__all__ = ["Example", "examples"]

_CHAT: Final = "/api/paas/v4/chat/completions"
_ASYNC: Final = "/api/paas/v4/async/chat/completions"
_KEY: Final = {"Authorization": "Bearer my-id.my-secret"}
_EXPIRED: Final = (
    "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ"
    ".eyJhcGlfa2V5IjoibXktaWQiLCJleHAiOjE3NzMzNDk0ODgwMDAsInRpbWVzdGFtcCI6MTc3MzM0OTQ4NzAwMH0"
    ".mNDEBgRLqtr-51lTOVFDaExMBUMLsJFqMRB5D1Mo_jM"
)
_HELLO: Final = [{"role": "user", "content": "Hello"}]
_TEMPLATE: Final = "{% for m in messages %}{{ m.content }}{% endfor %}"
_LIMITED: Final = Settings(
    api_keys=("my-id.my-secret", "second-id.my-secret", "third-id.my-secret"),
    limits=LimitSettings(max_in_flight=1, max_in_flight_per_key=1, requests_per_minute=2, queue_timeout=0.1),
)
_WITHOUT_STORE: Final = Settings(turns=TurnSettings(store="redis://127.0.0.1:1", store_retry_timeout=0))
_SHOWN: Final = ("allow", "content-type", "retry-after", "x-request-id", "x-headrace-turn")
_LONGEST: Final = 400  # characters of a line
_MOST_FIELDS: Final = 4
_FIXED: Final = (
    (re.compile(r"\b\d{14}[0-9a-f]{16}\b"), "20260313050448e162ecc8207a4c47"),
    (re.compile(r"(?<=x-request-id: )[0-9a-f]{16}\b"), "5f0c1d2e3b4a5968"),
    (re.compile(r'(?<="created":)\d+'), "1773349488"),
    (re.compile(r"(?<=retry-after: )\d+"), "3"),
    (re.compile(r"(?<=retry in )\d+"), "2"),
    (re.compile(r"(?<=^retry: )\d+", re.MULTILINE), "2"),
    (re.compile(r"(?<=127\.0\.0\.1:)\d{4,}"), "8000"),
)
"""What differs from run to run, and what is shown instead."""


class Example(NamedTuple):
    """A request and its response, as text."""

    title: str
    request: str
    response: str


class _Request(NamedTuple):
    """A request: `head` is method and path, `body` is JSON or bytes."""

    title: str
    head: str
    headers: Mapping[str, str] = _KEY
    body: Any = None

    def encode(self) -> bytes:
        length = {} if "Transfer-Encoding" in self.fields else {"Content-Length": str(len(self.content))}
        fields = {"Host": "127.0.0.1", **self.fields, **length, "Connection": "close"}
        lines = [f"{self.head} HTTP/1.1", *map(": ".join, fields.items()), "", ""]
        return "\r\n".join(lines).encode() + self.content

    @property
    def fields(self) -> dict[str, str]:
        """The headers that are shown."""
        return {"Content-Type": "application/json", **self.headers} if self.content else {**self.headers}

    @property
    def content(self) -> bytes:
        """The body, encoded."""
        return (
            self.body
            if isinstance(self.body, bytes)
            else json.dumps(self.body).encode()
            if self.body
            else b""
        )

    def __str__(self) -> str:
        fields = [f"{name}: {value}" for name, value in self.fields.items()]
        shown = [*fields[:_MOST_FIELDS], "…"] if len(fields) > _MOST_FIELDS else fields
        return "\n".join(
            map(_shortened, [self.head, *shown, *(["", self.content.decode()] if self.content else [])])
        )


def _chat(title: str, headers: Mapping[str, str] = _KEY, path: str = _CHAT, **fields: Any) -> _Request:
    body = {"model": "glm-4.6", "messages": _HELLO, **fields}
    return _Request(
        title, f"POST {path}", headers, {name: value for name, value in body.items() if value is not ...}
    )


_INVALID: Final = (
    _Request("The body is not JSON", f"POST {_CHAT}", body=b'{"model": "glm-4.6",}'),
    _Request(
        "The body is too large",
        f"POST {_CHAT}",
        body={"model": "glm-4.6", "messages": [{"role": "user", "content": "a" * 5000}]},
    ),
    _chat("No such model", model="glm-9"),
    _chat("A field that would change the answer is not supported", n=2),
    _chat("A field is missing", messages=...),
    _chat("A field has a value that is not allowed", temperature=3),
    _chat("A field has the wrong type", stop=7),
    _chat("Fields exclude each other", tool_stream=True),
    _chat("A turn with this `request_id` is running, and `duplicates` is reject", request_id="my-request"),
    _chat("The messages do not fit into the model's context", model="small", messages=[*_HELLO * 20]),
    _Request(
        "An API that is not served here", "POST /v1/completions", body={"model": "glm-4.6", "prompt": "Hello"}
    ),
    _Request(
        "A field is missing, in the form of Anthropic's API",
        "POST /v1/messages",
        body={"model": "glm-4.6", "messages": _HELLO},
    ),
)
_HEADS: Final = (
    _chat("No API key", {}),
    _chat("A wrong API key", {"Authorization": "Bearer other.key"}),
    _chat("A signed token that has expired", {"Authorization": f"Bearer {_EXPIRED}"}),
    _Request("No such turn", f"GET {_CHAT}/unknown"),
    _Request("No such model", "GET /api/paas/v4/models/glm-9"),
    _Request("No such path", "GET /v2/models"),
    _Request("The path does not support the method", f"PUT {_CHAT}"),
    _Request("The URL is too long", "GET /v1/" + "a" * 9000),
    _chat("The body is compressed", {**_KEY, "Content-Encoding": "gzip"}),
    _Request("The head has too many fields", "GET /v1/models", {f"X-{number}": "a" for number in range(101)}),
    _Request("A transfer coding other than chunked", f"POST {_CHAT}", {**_KEY, "Transfer-Encoding": "gzip"}),
)
_FAILURES: Final = (
    _chat("The model fails before its first token", model="failing"),
    _chat("The model's server cannot be reached", model="elsewhere"),
    _chat("The model sends nothing for `first_token_timeout`", model="silent"),
    _chat("Too many unfinished asynchronous requests of one key", path=_ASYNC),
)
_STREAMS: Final = (
    _chat("The model fails in a stream", model="cut", stream=True),
    _chat(
        "The same, for a client that can resume",
        {**_KEY, "X-Headrace-Resumable": "1"},
        model="cut",
        stream=True,
    ),
    _chat("The same at OpenAI's path", path="/v1/chat/completions", model="cut", stream=True),
)
_PAGES: Final = (
    _chat("Without keys: a page of another site", {"Origin": "https://example.com"}),
    _chat(
        "Without keys: a content type that a page of another site may send", {"Content-Type": "text/plain"}
    ),
)


def examples() -> Iterator[Example]:
    """Run the servers, and yield what they answer in the order of the statuses; streams are last."""
    logging.disable()  # the servers warn of what is provoked
    turns = TurnSettings(duplicates="reject", max_async_per_key=1, store_size=1)
    keyed = Settings(api_keys=("my-id.my-secret",), max_body_size=4096, request_timeout=0.2, turns=turns)
    with LocalServer(_app(keyed), keyed) as server:
        _exchange(server, _chat("", path=_ASYNC, model="endless"))
        with _start(server, request_id="my-request"):
            found = [_exchange(server, request) for request in (*_INVALID, *_HEADS, *_FAILURES)]
        found += [*_incomplete(server), *_of_turns(server)]
        streams = [_exchange(server, request) for request in _STREAMS]
    with LocalServer(_app(Settings())) as server:
        found += [_exchange(server, request) for request in _PAGES]
    with LocalServer(_app(_LIMITED)) as server:
        found += _beyond_limits(server)
    with LocalServer(_app(_WITHOUT_STORE)) as server:
        resumable = {"X-Headrace-Resumable": "1"}
        found.append(_exchange(server, _chat("The turn store is unavailable", resumable)))
    crowded = Settings(max_connections=1)
    with LocalServer(_app(crowded), crowded) as server, _start(server, {}):
        found.append(_exchange(server, _chat("Too many connections", {})))
    logging.disable(logging.NOTSET)
    yield from sorted(found, key=lambda example: example.response.partition("\n")[0])
    yield from streams


def _app(settings: Settings) -> App:
    return App(ModelRegistry(_models()), settings)


def _models() -> Iterator[Model]:
    template, format = ChatTemplate(_TEMPLATE), FORMATS["glm-4.6"]
    failure = EngineError("the model has failed")
    silent = ScriptedEngine("Hello!", delay=60)
    yield Model(("glm-4.6",), ScriptedEngine("Hello!", piece=6), format, template)
    yield Model(("small",), ScriptedEngine("Hello!"), format, template, context=16)
    yield Model(("endless",), ScriptedEngine("." * 1000, piece=1, delay=0.05), format, template)
    yield Model(("silent",), TimeoutEngine(silent, Timeouts(first_token=0.05)), format, template)
    yield Model(("failing",), ScriptedEngine([failure]), format, template)
    yield Model(("cut",), ScriptedEngine(["Hel", "lo", failure]), format, template)
    yield load_model("elsewhere", ChatSettings(url=("http://127.0.0.1:1/v1",)))


def _beyond_limits(server: LocalServer) -> Iterator[Example]:
    """Yield the errors of requests that would have to wait, in a server where none may."""
    first, second, third = ({"Authorization": f"Bearer {key}"} for key in _LIMITED.api_keys)
    for _ in range(2):
        _exchange(server, _chat("", first))
    yield _exchange(server, _chat("Too many requests of one key in a minute", first))
    with _start(server, second):
        yield _exchange(server, _chat("Too many turns of one key in flight", second))
        yield _exchange(server, _chat("Too many turns of the server in flight", third))


def _of_turns(server: LocalServer) -> Iterator[Example]:
    """Yield the errors of turns: one has been replaced by another in the store, one has fewer events."""
    first, second = (_turn(server) for _ in range(2))
    yield _exchange(server, _Request("The turn has been evicted from the store", f"GET {_CHAT}/{first}"))
    title, position = "The position is beyond the events of the turn", {**_KEY, "Last-Event-ID": "99"}
    yield _exchange(server, _Request(title, f"GET {_CHAT}/{second}", position))


def _turn(server: LocalServer) -> str:
    with _open(server, _chat("", {**_KEY, "X-Headrace-Resumable": "1"})) as connection:
        return json.loads(_read(connection)[1])["id"]


def _incomplete(server: LocalServer) -> Iterator[Example]:
    """Yield the error of a head that does not end in time."""
    request = _Request("The request does not arrive in time", "GET /v1/models", {})
    with socket.create_connection(_address(server)) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\n")
        yield _example(request, *_read(connection))


def _exchange(server: LocalServer, request: _Request) -> Example:
    with _open(server, request) as connection:
        return _example(request, *_read(connection))


def _open(server: LocalServer, request: _Request) -> socket.socket:
    connection = socket.create_connection(_address(server), timeout=10)
    connection.sendall(request.encode())
    return connection


def _start(server: LocalServer, headers: Mapping[str, str] = _KEY, **fields: Any) -> socket.socket:
    """Start a long answer, and return its connection when it has begun."""
    connection = _open(server, _chat("", headers, model="endless", stream=True, **fields))
    connection.recv(1)
    return connection


def _address(server: LocalServer) -> tuple[str, int]:
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    return host, int(port)


def _read(connection: socket.socket) -> tuple[str, str]:
    """Return the head that is shown, and the body."""
    response = HTTPResponse(connection)
    response.begin()
    body = response.read().decode()
    fields = [f"{name.lower()}: {value}" for name, value in response.getheaders() if name.lower() in _SHOWN]
    return "\n".join([f"HTTP/1.1 {response.status}", *fields]), body


def _example(request: _Request, head: str, body: str) -> Example:
    texts = [str(request), f"{head}\n\n{body.strip()}"]
    for pattern, fixed in _FIXED:
        texts = [pattern.sub(fixed, text) for text in texts]
    return Example(request.title, *texts)


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 4]}…"
