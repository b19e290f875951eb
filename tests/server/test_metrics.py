"""`GET /metrics`: what a server counts of turns, responses and calls of models' servers."""

import asyncio
import json
import random
import string
from contextlib import ExitStack

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.engines.http import HttpTransport
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import EngineError
from headrace.formats import FORMATS
from headrace.models import Model, ModelRegistry
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Settings
from headrace.turns import TurnSettings
from metrics_text import samples, scrape
from scripted_server import Reply, ScriptedServer, chunk, sse
from scripted_server import stream as upstream_stream
from waiting import until
from wire_client import CALL, CHAT, HELLO, WEATHER

TURNS = "gen_ai_server_request_duration_seconds_count"
CALLS = "gen_ai_client_inference_duration_seconds_count"
HALF = upstream_stream("Hel", "lo")[:2]


def model(engine, **fields):
    return Model(("glm-4.6", "alias"), engine, FORMATS["glm-4.6"], ChatTemplate("x"), **fields)


@pytest.fixture
def serve_app():
    """Serve a model; return a client."""
    with ExitStack() as stack:

        def start(served, **settings):
            app = App(ModelRegistry([served]), Settings(**settings))
            server = stack.enter_context(LocalServer(app))
            return stack.enter_context(httpx2.Client(base_url=server.url, trust_env=False))

        yield start


@pytest.fixture
def behind(serve_app):
    """Start an upstream with these replies, and a Headrace in front of it."""
    with ExitStack() as stack:

        def start(*replies, **timeouts):
            upstream = stack.enter_context(ScriptedServer(*replies))
            transport = HttpTransport(upstream.url)
            engine = UpstreamEngine(transport, Chat(DIALECTS["openai"], transport.upstream, model="theirs"))
            return serve_app(model(TimeoutEngine(engine, Timeouts(**timeouts)), upstreams=(engine,)))

        yield start


def counts(client, name=TURNS):
    """The values of a metric that are not 0, by the values of its labels."""
    return {key[1:]: value for key, value in scrape(client).items() if key[0] == name and value}


def test_an_outcome_is_the_ending_of_the_turn_and_not_its_status(behind):
    client = behind(
        Reply(upstream_stream("Hel", "lo")),
        Reply(upstream_stream("Hel", "lo", reason="length")),
        Reply([*HALF, sse({"error": {"message": "lost the GPU"}})]),
        Reply(HALF),
        Reply(HALF, end="hold"),
    )
    statuses = [client.post(CHAT, json={**HELLO, "stream": True}).status_code for _ in range(4)]
    with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as left:
        statuses.append(left.status_code)
        next(left.iter_raw())
    endings = ("stop", "length", "engine_error", "engine_incomplete", "client_disconnect")
    until(lambda: len(counts(client)) == 5)

    assert statuses == [200] * 5
    assert counts(client) == {("glm-4.6", ending): 1 for ending in endings}
    assert counts(client, "headrace_turns_truncated_total") == {("glm-4.6",): 2}
    assert counts(client, CALLS) == {
        ("glm-4.6", "1", ending): 1
        for ending in ("stop", "length", "engine_error", "engine_incomplete", "cancelled")
    }


def test_turns_are_counted_by_the_canonical_name_and_by_what_the_client_received(serve_app):
    client = serve_app(model(ScriptedEngine(CALL)))
    received = []
    for name in ("glm-4.6", "ALIAS"):
        answer = client.post(CHAT, json={**HELLO, "model": name, "tools": [WEATHER]}).json()
        received.append(answer["choices"][0]["finish_reason"])
    until(lambda: counts(client) == {("glm-4.6", "tool_calls"): 2})

    assert received == ["tool_calls"] * 2


def test_a_turn_that_fails_before_its_first_event_is_counted_once(serve_app):
    client = serve_app(model(ScriptedEngine([EngineError("no GPU")])))
    assert client.post(CHAT, json=HELLO).status_code == 500

    until(lambda: counts(client) == {("glm-4.6", "engine_error"): 1})
    assert counts(client, "headrace_http_responses_total")[CHAT, "POST", "500"] == 1


def test_a_request_that_starts_no_turn_is_counted_by_its_status_only(serve_app):
    client = serve_app(model(ScriptedEngine("Hi")), api_keys=("admin.secret",))
    allowed = {"authorization": "Bearer admin.secret"}
    assert client.post(CHAT, json=HELLO).status_code == 401
    client.headers.update(allowed)
    assert client.post(CHAT, json={**HELLO, "model": "unknown"}).status_code == 400
    assert client.get(f"{CHAT}/unknown").status_code == 404
    assert client.get("/nowhere").status_code == 404

    assert counts(client) == {}
    assert counts(client, "headrace_http_responses_total") == {
        (CHAT, "POST", "401"): 1,
        (CHAT, "POST", "400"): 1,
        (CHAT + "/{id}", "GET", "404"): 1,
        ("other", "GET", "404"): 1,
        ("/metrics", "GET", "200"): 1,
    }


def test_a_models_server_that_fails_is_down_until_it_responds(behind):
    client = behind(Reply(status=500), Reply(upstream_stream("Hi")))
    states = [counts_of_upstream(client)]
    for _ in range(2):
        client.post(CHAT, json=HELLO)
        states.append(counts_of_upstream(client))

    assert states == [1, 0, 1]


def counts_of_upstream(client):
    return scrape(client)["headrace_upstream_up", "glm-4.6", "1"]


def test_the_own_time_for_a_delta_is_measured_now_and_then(behind):
    client = behind(Reply([*([sse(chunk("x")), 0.01] * 500), *upstream_stream("y")]))
    with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
        received = response.iter_raw()  # the connection is closed with it
        next(received)
        until(lambda: scrape(client)["headrace_delta_overhead_seconds_count",])


def test_resumed_turns_and_writes_to_the_store_are_counted(serve_app, tmp_path):
    client = serve_app(model(ScriptedEngine("Hi")), turns=TurnSettings(store=f"sqlite:{tmp_path / 'turns'}"))
    answer = client.post(CHAT, json={**HELLO, "stream": True}, headers={"x-headrace-resumable": "1"})
    turn = answer.headers["x-headrace-turn"]
    assert client.get(f"{CHAT}/{turn}").status_code == 200
    assert client.get(f"/v1/messages/msg_{turn}").status_code == 200
    assert client.get(f"/v1/responses/resp_{turn}?stream=true").status_code == 200
    assert client.get(f"/v1/responses/resp_{turn}").status_code == 200  # no stream
    found = scrape(client)

    assert found["headrace_turns_resumed_total",] == 3
    assert found["headrace_store_seconds_count", "1"] >= 1


def test_metrics_need_a_key_with_that_right_if_the_server_has_keys(serve_app):
    client = serve_app(model(ScriptedEngine("Hi")), api_keys=("id.secret", "admin.secret"))

    assert client.get("/metrics").status_code == 401
    refused = client.get("/metrics", headers={"authorization": "Bearer id.secret"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "1220")
    assert "headrace keys create --admin" in refused.json()["error"]["message"]
    response = client.get("/metrics", headers={"authorization": "Bearer admin.secret"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


# --- no series for what clients invent -------------------------------------------------------------------------

REQUESTS = 10_000


async def call(app, method, path, headers, body):
    """Send a request to the application without a socket."""
    messages = [{"type": "http.request", "body": body}]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "root_path": "",
    }

    async def receive():
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(_):
        pass

    await app(scope, receive, send)


async def test_10_000_requests_with_random_names_paths_keys_and_methods_add_a_constant_number_of_series():
    app = App(ModelRegistry([model(ScriptedEngine("Hi"))]), Settings(api_keys=("id.secret",)))
    app._wrong_keys.wait = no_delay  # ten per second
    random_ = random.Random(0)
    paths = [
        *app.endpoints.by_path,
        *(f"{path}/" for path in app.endpoints.by_id),
        "/v1/models/",
        "/metrics/",
        "/",
    ]

    def word():
        return "".join(random_.choices(string.ascii_letters, k=8))

    def request():
        method = random_.choice(["GET", "POST", "DELETE", "OPTIONS", word().upper()])
        key = random_.choice(["id.secret", f"{word()}.{word()}"])
        path = random_.choice(paths) + random_.choice(["", word()])
        body = {**HELLO, "model": random_.choice([word(), "glm-4.6"]), "user_id": word()}
        headers = [(b"authorization", f"Bearer {key}".encode()), (b"origin", b"http://a")]
        return method, path, headers, json.dumps(body).encode()

    async def series(number):
        for _ in range(number):
            await call(app, *request())
        while app._requests._pairs:  # of turns that have not ended yet; one that never ends is a timeout
            await asyncio.sleep(0.001)
        return set(samples((await app._metrics.encode()).decode()))

    first = await series(REQUESTS // 2)
    assert await series(REQUESTS // 2) == first
    assert app._admission.running == app._admission.waiting == set()


async def no_delay():
    pass
