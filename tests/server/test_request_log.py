"""One line in the log for each request, with what became of its turn."""

import asyncio
import socket
from contextlib import suppress

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.engines.http import HttpTransport
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import EngineError, HeadraceError, RequestError
from headrace.events import Finish, Text, TokenUsage
from headrace.limits import LimitSettings
from listening import GeneratedEngine
from metrics_text import scrape
from replicas import RESUMABLE
from request_lines import line, lines
from scripted_server import Reply, ScriptedServer, stream
from waiting import until
from wire_client import CALL, CHAT, HELLO, OPENAI_CHAT, WEATHER

__all__ = ["line", "lines"]

KEY = {"x-api-key": "alice.secret"}
STREAM = {**HELLO, "stream": True}
TURNS = "gen_ai_server_request_duration_seconds_count"


class Endless(GeneratedEngine):
    """Generates one token after the other."""

    async def generate(self, generation):
        while True:
            yield [Text("Hi ")]
            await asyncio.sleep(0.001)


@pytest.fixture
def alice(serve):
    """Serves with an API key, which the client has."""

    def start(engine, **settings):
        client = serve(engine, api_keys=("alice.secret",), **settings)
        client.headers.update(KEY)
        return client

    return start


# --- requests that start a turn ---------------------------------------------------------------------------


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
@pytest.mark.parametrize("headers", [{}, RESUMABLE], ids=["", "resumable"])
def test_a_turn_has_the_line_of_its_request(alice, line, body, headers):
    usage = TokenUsage(7, 3, 2, 1)
    client = alice(ScriptedEngine([Text("<think>a</think>"), Text("b"), Finish("stop", usage)]))
    response = client.post(OPENAI_CHAT, json=body, headers={**headers, "x-request-id": "from-the-client"})
    fields = line()

    assert fields.pop("turn") == response.headers["x-request-id"]
    times = [fields.pop(name) for name in ("ttft_seconds", "turn_seconds")]
    assert times == sorted(times)
    assert 0 <= fields.pop("longest_stall_seconds", 0) < 60
    assert fields == {
        "method": "POST",
        "path": OPENAI_CHAT,
        "status": 200,
        "key": "alice",
        "model": "glm-4.6",
        "outcome": "stop",
        "finish_reason": "stop",
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "cached_tokens": 2,
        "reasoning_tokens": 1,
        "client_request_id": "from-the-client",
    }


class Ending(GeneratedEngine):
    """Ends each answer as its prompt names it, in `ENDINGS`."""

    async def generate(self, generation):
        script = ENDINGS[generation.request.messages[0].text][0]
        async for events in ScriptedEngine(script)._play(generation):
            yield events


ENDINGS = {
    "stop": (["Hi"], {}, 200, "", "INFO"),
    "length": (["Hi", Finish("length")], {}, 200, "", "INFO"),
    "tool_calls": ([CALL], {"tools": [WEATHER]}, 200, "", "INFO"),
    "engine_error": (["Hi", EngineError("lost")], {}, 200, "1234", "WARNING"),
    "engine_timeout": ([EngineError("silence", status=504)], {}, 504, "1234", "WARNING"),
    "internal_error": ([HeadraceError("a defect", code="1230")], {}, 500, "1230", "WARNING"),
    "rejected": ([RequestError("no such thing: Hello")], {}, 400, "1214", "INFO"),
}


def test_the_outcome_is_the_turns_ending_not_the_status(serve, lines):
    client = serve(Ending())
    for number, (outcome, (_, fields, status, code, level)) in enumerate(ENDINGS.items()):
        messages = [{"role": "user", "content": outcome}]
        response = client.post(CHAT, json={**STREAM, "messages": messages, **fields})
        logged_level, _, line = lines(number + 1)[-1]

        assert response.status_code == line["status"] == status
        assert (line["outcome"], line.get("code", ""), logged_level) == (outcome, code, level)
    counted = {key[1:]: count for key, count in scrape(client).items() if key[0] == TURNS}
    assert {key for key, count in counted.items() if count} == {("glm-4.6", outcome) for outcome in ENDINGS}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(stream("Hel", "lo")), "stop"),
        (Reply(stream("Hel", "lo", reason="length")), "length"),
        (Reply(stream("Hel")[:1], end="cut"), "engine_incomplete"),
        (Reply([*stream("Hel")[:1], b'data: {"error": {"message": "out of memory"}}\n\n']), "engine_error"),
        (Reply(b"{}", status=429), "limit"),
    ],
)
def test_the_outcome_of_an_upstreams_endings(serve, line, reply, outcome):
    with ScriptedServer(reply) as server:
        transport = HttpTransport(server.url)
        client = serve(UpstreamEngine(transport, Chat(DIALECTS["openai"], transport.upstream, model="m")))
        client.post(CHAT, json=STREAM)

    fields = line()
    assert fields["outcome"] == outcome
    assert server.asked[0].headers["x-request-id"] == fields["turn"]


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["whole", "stream"])
def test_a_client_that_leaves(serve, line, body):
    client = serve(Endless())
    with suppress(httpx2.ReadTimeout):
        with client.stream("POST", CHAT, json=body, timeout=httpx2.Timeout(30, read=0.2)) as response:
            next(response.iter_raw())
    fields = line()

    assert fields["outcome"] == "client_disconnect"
    assert fields.get("status") == (200 if body is STREAM else None)
    assert fields["completion_tokens"] > 0
    assert "error" in fields


def test_a_turn_that_outlives_its_request_has_its_line_at_its_end(serve, lines):
    client = serve(Endless())
    with client.stream("POST", CHAT, json=STREAM, headers=RESUMABLE) as response:
        turn = response.headers["x-request-id"]
        next(response.iter_raw())
    assert client.get(f"{CHAT}/nothing").status_code == 404
    lines(1)
    client.delete(f"{CHAT}/{turn}")
    fields = [fields for _, _, fields in lines(3)]

    assert [
        (one["method"], one["path"], one["status"], one["outcome"]) for one in fields if "outcome" in one
    ] == [
        ("GET", f"{CHAT}/{{id}}", 404, "rejected"),
        ("POST", CHAT, 200, "cancelled"),
    ]
    (deleted,) = (one for one in fields if "outcome" not in one)
    assert (deleted["method"], deleted["status"], deleted["turn"]) == ("DELETE", 200, turn)


def test_an_asynchronous_turn_and_its_polls(serve, lines):
    client = serve(ScriptedEngine("Hi", delay=0.01))
    created = client.post("/api/paas/v4/async/chat/completions", json=HELLO).json()
    lines(1)
    result = client.get(f"/api/paas/v4/async-result/{created['id']}").json()
    started, polled = (fields for _, _, fields in lines(2))

    assert result["task_status"] == "SUCCESS"
    assert (started["path"], started["turn"]) == ("/api/paas/v4/async/chat/completions", created["id"])
    assert (started["outcome"], started["status"]) == ("stop", 200)
    assert started["seconds"] < started["turn_seconds"]
    assert (polled["path"], polled["turn"]) == ("/api/paas/v4/async-result/{id}", created["id"])


def test_an_attached_request_and_a_resume_have_lines_of_their_own(serve, lines):
    client = serve(ScriptedEngine("Hi"))
    body = {**STREAM, "request_id": "my-request"}
    turn = client.post(CHAT, json=body).headers["x-request-id"]
    lines(1)
    client.post(CHAT, json=body)
    client.get(f"{CHAT}/{turn}")
    fields = [fields for _, _, fields in lines(3)]

    assert [one["turn"] for one in fields] == [turn] * 3
    assert [one.get("outcome") for one in fields] == ["stop", None, None]
    assert [one["status"] for one in fields] == [200] * 3


def test_an_asynchronous_request_that_attaches_has_a_line_of_its_own(serve, lines):
    client = serve(ScriptedEngine("Hi there", delay=0.1))
    body = {**HELLO, "request_id": "my-request"}
    turn, attached = (client.post("/v1/async/chat/completions", json=body).json()["id"] for _ in range(2))
    fields = [fields for _, _, fields in lines(2)]

    assert turn == attached
    assert [one["turn"] for one in fields] == [turn] * 2
    assert {one.get("outcome") for one in fields} == {None, "stop"}


def test_the_time_in_the_queue_and_a_refusal(alice, lines):
    limits = LimitSettings(max_in_flight=1, queue_timeout=0.05)
    client = alice(Endless(), limits=limits)
    with client.stream("POST", CHAT, json=STREAM) as response:
        pieces = response.iter_raw()
        next(pieces)
        assert client.post(CHAT, json=HELLO).status_code == 429
        ((_, _, refused),) = lines(1)

    assert (refused["outcome"], refused["code"], refused["status"]) == ("limit", "1305", 429)
    assert refused["queue_seconds"] > 0


# --- requests that start none -----------------------------------------------------------------------------

REJECTED = {
    "no key": ("POST", CHAT, {"json": HELLO, "headers": {"x-api-key": ""}}, CHAT, 401, "1001", None),
    "wrong key": ("POST", CHAT, {"json": HELLO, "headers": {"x-api-key": "bob.x"}}, CHAT, 401, "1002", None),
    "wrong field": ("POST", CHAT, {"json": {**HELLO, "top_p": "hot"}}, CHAT, 400, "1214", "alice"),
    "no JSON": ("POST", CHAT, {"content": b"{"}, CHAT, 400, "1210", "alice"),
    "unknown model": ("POST", CHAT, {"json": {**HELLO, "model": "sesame"}}, CHAT, 400, "1211", "alice"),
    "method": ("PUT", CHAT, {}, CHAT, 405, "1222", None),
    "unknown path": ("GET", "/sesame?token=alice.secret", {}, "other", 404, "1222", None),
    "other API": ("POST", "/v1/completions", {"json": HELLO}, "/v1/completions", 400, "1222", None),
    "model": ("GET", "/v1/models/sesame", {}, "/v1/models/{name}", 404, "1211", "alice"),
    "models": ("GET", "/v1//models/?q=sesame", {}, "/v1/models", 200, None, "alice"),
    "unknown turn": ("GET", f"{CHAT}/sesame", {}, f"{CHAT}/{{id}}", 404, "1214", "alice"),
}


def test_a_request_without_a_turn(alice, lines):
    client = alice(ScriptedEngine("Hi"))
    for number, (method, path, request, template, status, code, key) in enumerate(REJECTED.values()):
        response = client.request(method, path, **request)
        _, _, fields = lines(number + 1)[-1]

        assert response.status_code == status
        assert fields.pop("seconds") >= 0
        assert fields.pop("request_id", None) == response.headers.get("x-request-id")
        expected = {"method": method, "path": template, "status": status, "code": code, "key": key}
        expected |= {"client": "127.0.0.1", "outcome": "rejected" if code else None}
        assert fields == {name: value for name, value in expected.items() if value is not None}


def test_health_checks_and_scrapes_are_for_debugging(serve, lines):
    client = serve(ScriptedEngine("Hi"))
    for path in ("/health", "/healthz", "/readyz", "/metrics"):
        client.get(path)

    assert [(level, fields["path"]) for level, _, fields in lines(4)] == [
        ("DEBUG", path) for path in ("/health", "/healthz", "/readyz", "/metrics")
    ]


def send(client, *pieces):
    """Send bytes, close the sending side, and return what comes back."""
    url = client.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


HEAD = (
    b"POST %b HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: alice.secret\r\nContent-Length: 99\r\n\r\n"
    % CHAT.encode()
)


def test_a_body_that_is_cut(alice, line):
    send(alice(ScriptedEngine("Hi")), HEAD, b'{"model"')

    assert line() == {
        "method": "POST",
        "path": CHAT,
        "key": "alice",
        "outcome": "client_disconnect",
        "code": "1210",
    }


def test_a_request_that_is_not_http(serve, line):
    client = serve(ScriptedEngine("Hi"))
    assert b" 400 " in send(client, b"GET /\x01sesame HTTP/1.1\r\n\r\n")

    assert line() == {"status": 400, "outcome": "rejected", "code": "1210"}
    assert scrape(client)["headrace_http_responses_total", "other", "other", "400"] == 1


def test_a_body_that_takes_too_long(alice, line):
    client = alice(ScriptedEngine("Hi"), request_timeout=0.1)
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(HEAD + b'{"model"')
        assert b" 408 " in connection.recv(65536)
        fields = line()

    assert (fields["status"], fields["code"], fields["key"], fields["path"]) == (408, "1210", "alice", CHAT)


def test_a_defect_has_its_line_beside_the_traceback(serve, lines, caplog):
    class Defective(GeneratedEngine):
        def start(self, generation, listener):
            raise ZeroDivisionError

    assert serve(Defective()).post(CHAT, json=HELLO).status_code == 500
    ((level, _, fields),) = lines()

    assert (level, fields["status"], fields["outcome"]) == ("WARNING", 500, "internal_error")
    until(lambda: not ("ZeroDivisionError" not in caplog.text))
    assert "ZeroDivisionError" in caplog.text


def test_the_other_apis_have_the_same_lines(alice, lines):
    client = alice(ScriptedEngine("Hi"))
    sent = {
        "/v1/messages": {**HELLO, "max_tokens": 9},
        "/v1/responses": {"model": "glm-4.6", "input": "Hello", "store": False},
    }
    for number, (path, body) in enumerate(sent.items()):
        for is_stream in (False, True):
            assert client.post(path, json={**body, "stream": is_stream}).status_code == 200
            _, event, fields = lines(3 * number + is_stream + 1)[-1]
            assert (event, fields["path"], fields["status"]) == ("request", path, 200)
            assert (fields["key"], fields["outcome"], fields["model"]) == ("alice", "stop", "glm-4.6")
        assert client.post(path, json={**body, "model": "unknown"}).status_code in (400, 404)
        rejected = lines(3 * number + 3)[-1][2]
        assert (rejected["path"], rejected["outcome"], rejected["key"]) == (path, "rejected", "alice")
