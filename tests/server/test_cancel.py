"""`DELETE …/chat/completions/{id}`: cancelling a turn, from any replica."""

import asyncio
import json
import threading

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.server.apis import ChatApi
from headrace.server.connection import HttpConnection
from headrace.server.reconnects import Reconnects
from headrace.server.response_writer import ResponseWriter
from headrace.sse import DONE
from headrace.turns import Turn
from headrace.turns.store import TurnHeader
from headrace.wire import decode_request
from plans import planner
from replicas import RESUMABLE, events_after, replica
from turn_stores import memory, redis_server, settings, shared, store_kind, store_name
from waiting import until
from wire_client import CHAT, HELLO, chunks_of, deltas

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

SCRIPT = " ".join(str(number) for number in range(60))


def test_delete_stops_the_engine_and_ends_every_stream(replica):
    engine = ContinuingEngine(SCRIPT, piece=3, delay=0.02)
    client = replica(engine)
    stopped = {}
    with client.stream("POST", CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE) as response:
        pieces = response.iter_raw()
        body = next(pieces)
        id = response.headers["x-request-id"]
        stopping = threading.Thread(target=lambda: stopped.update(client.delete(f"{CHAT}/{id}").json()))
        stopping.start()
        body += b"".join(pieces)
        stopping.join()
    chunks = chunks_of(body)

    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert 0 < chunks[-1]["usage"]["completion_tokens"] < 70
    assert stopped["choices"][0]["message"]["content"] == "".join(deltas(chunks, "content")) != SCRIPT
    assert stopped["usage"] == chunks[-1]["usage"]
    assert engine.running == 0
    resumed = [json.loads(event.data) for event in events_after(client, id) if event.data != DONE]
    assert "".join(deltas(resumed, "content")) == "".join(deltas(chunks, "content"))
    assert client.delete(f"{CHAT}/{id}").json() == stopped  # again: nothing changes


@shared
def test_delete_at_another_replica_stops_the_engine(replica):
    engine = ContinuingEngine(SCRIPT, piece=3, delay=0.02)
    here, there = replica(engine), replica(ContinuingEngine(SCRIPT))
    with here.stream("POST", CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE) as response:
        pieces = response.iter_raw()
        body = next(pieces)
        answer = there.delete(f"{CHAT}/{response.headers['x-request-id']}").json()
        body += b"".join(pieces)
    chunks = chunks_of(body)

    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["content"] == "".join(deltas(chunks, "content")) != SCRIPT
    until(lambda: not engine.running)
    assert engine.running == 0


@memory
def test_other_methods_are_405(replica):
    response = replica(ScriptedEngine("Hi")).put(f"{CHAT}/1", json={})

    assert (response.status_code, response.json()["error"]["code"]) == (405, "1222")
    assert "GET or POST or DELETE" in response.json()["error"]["message"]
    assert response.headers["allow"] == "GET, POST, DELETE"


@pytest.mark.parametrize("ends", ["before", "after"])
async def test_delete_returns_stop_if_the_turn_fails_meanwhile(ends):
    """Another process has taken it over at the same moment, and cannot continue it."""
    request = decode_request(json.dumps(HELLO).encode())
    plan = planner(ScriptedEngine(["Hi", EngineError("cannot continue")], delay=0.01))(request)
    turn = Turn(TurnHeader(id="t1", owner="", created=0), request, lambda: plan, settings())
    turn.produce(plan)
    turn.reader()
    while ends == "before" and not turn.log.is_finished:
        await asyncio.sleep(0.005)
    sent = []

    async def send(message):
        sent.append(message)

    connection = HttpConnection({"method": "DELETE", "path": "/", "headers": []}, asyncio.Event().wait, send)
    assert await ResponseWriter(15.0, ChatApi(), Reconnects()).send_whole(
        connection, turn, was_cancelled=True
    )

    choice = json.loads(sent[-1]["body"])["choices"][0]
    assert choice["message"]["content"] == "Hi"
    assert choice["finish_reason"] == ("network_error" if ends == "before" else "stop")
    assert turn.log.last.error == "cannot continue"
