"""Clients that leave before anything was sent to them: whether the turn continues depends on who can know it."""

import asyncio
import json
import socket
import time

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, Model, ModelRegistry, Settings
from headrace.turns import TurnSettings
from replicas import RESUMABLE, TEMPLATE, events_after, replica
from turn_stores import memory, redis_server, shared, store_kind, store_name
from waiting import until
from wire_client import CHAT, HELLO, chunks_of, deltas

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

SCRIPT = " ".join(map(str, range(40)))
NAMED = {**RESUMABLE, "x-headrace-request-id": "zai-1"}


def leave(client, engine, *, headers=RESUMABLE, **fields):
    """Send a request, and disconnect once the engine works on it."""
    request = client.build_request("POST", CHAT, json={**HELLO, "stream": True, **fields}, headers=headers)
    asked = len(engine.asked)
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        head = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\n{''.join(head)}\r\n".encode() + request.read())
        while len(engine.asked) == asked:
            time.sleep(0.005)


@pytest.mark.parametrize("stream", [True, False])
def test_a_turn_that_no_client_can_know_ends_at_once(replica, stream):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(0)
    leave(replica(engine, linger=600), engine, stream=stream)

    until(lambda: not engine.running)


@memory
@pytest.mark.parametrize("headers", [NAMED, RESUMABLE], ids=["header", "field"])
def test_the_turn_of_a_named_request_goes_on_and_the_same_request_joins_it(replica, headers):
    fields = {} if headers is NAMED else {"request_id": "zai-1"}
    engine = ContinuingEngine(SCRIPT, delay=0.002)
    engine.pause_after(1)
    client = replica(engine, duplicates="reject" if headers is NAMED else "attach")
    leave(client, engine, headers=headers, **fields)
    time.sleep(0.05)
    engine.go_on()
    response = client.post(CHAT, json={**HELLO, "stream": True, **fields}, headers=headers)

    assert "".join(deltas(chunks_of(response.content), "content")) == SCRIPT
    assert response.headers["x-headrace-turn"] == response.headers["x-request-id"]
    assert len(engine.asked) == 1


def test_delete_knows_a_turn_by_its_request_id(replica):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(0)
    client = replica(engine, linger=600)
    leave(client, engine, headers=NAMED)

    assert client.delete(f"{CHAT}/zai-1", headers=RESUMABLE).json()["choices"][0]["finish_reason"] == "stop"
    until(lambda: not engine.running)
    assert client.delete(f"{CHAT}/zai-2").status_code == 404


@shared
def test_delete_by_a_request_id_at_another_replica(replica):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(1)
    here, there = replica(engine, linger=600), replica(ContinuingEngine(SCRIPT))
    leave(here, engine, headers=NAMED)

    assert there.delete(f"{CHAT}/zai-1").status_code == 200
    until(lambda: not engine.running)


def test_a_turn_can_be_read_by_its_request_id(replica):
    client = replica(ScriptedEngine("Hi there"))
    client.post(CHAT, json={**HELLO, "stream": True}, headers=NAMED)

    assert events_after(client, "zai-1") == events_after(client, "zai-1", 0) != []


@memory
def test_a_name_of_a_request_is_limited(replica):
    response = replica(ScriptedEngine("Hi")).post(
        CHAT, json=HELLO, headers={"x-headrace-request-id": "x" * 65}
    )

    assert response.status_code == 400
    assert "x-headrace-request-id has 65 characters" in response.json()["error"]["message"]


async def test_a_client_that_left_while_its_request_was_read_starts_no_turn():
    class Cycle:
        disconnected = True

        async def send(self, message):
            raise AssertionError(message)

    async def receive():
        return {"type": "http.request", "body": json.dumps(HELLO).encode()}

    engine = ContinuingEngine(SCRIPT)
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": headers, "query_string": b""}
    await App(ModelRegistry([model]), Settings())(scope, receive, Cycle().send)

    assert engine.asked == []


@pytest.mark.parametrize("stream", [True, False])
async def test_another_asgi_server_can_cancel_a_request_whose_client_has_left(stream, tmp_path):
    """Ray Serve does. Another response would follow, and the log would name a shutdown."""
    body = json.dumps({**HELLO, "stream": stream}).encode()
    sent = []

    def receiving(*messages):
        left = list(messages)

        async def receive():
            return left.pop() if left else await asyncio.Event().wait()

        return receive

    async def send(message):
        sent.append(message)

    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
    app = App(ModelRegistry([model]), Settings(turns=TurnSettings(store=f"sqlite:{tmp_path}/turns.db")))
    lifespan = asyncio.create_task(app({"type": "lifespan"}, receiving({}), send))
    while not sent:
        await asyncio.sleep(0.005)
    headers = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"x-headrace-resumable", b"1"),
    ]
    scope = {"type": "http", "method": "POST", "path": CHAT, "headers": headers, "query_string": b""}
    receive = receiving({"type": "http.request", "body": body})
    request = asyncio.create_task(app(scope, receive, send))
    while not engine.running or (stream and len(sent) == 1):
        await asyncio.sleep(0.005)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert [message["type"] for message in sent].count("http.response.start") == int(stream)
    lifespan.cancel()
    await lifespan
