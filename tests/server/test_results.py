"""Asynchronous completions: started by one request and polled by others."""

import time

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.turns import TurnSettings
from replicas import replica
from turn_stores import memory, redis_server, shared, store_kind, store_name
from waiting import until
from wire_client import CALL, CHAT, HELLO, WEATHER

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

BEGIN = "/api/paas/v4/async/chat/completions"
RESULT = "/api/paas/v4/async-result"
HEADER = {"x-headrace-request-id": "a"}


def begin(client, **fields):
    response = client.post(BEGIN, json={**HELLO, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def result(client, id):
    """Poll until the turn has ended."""

    def found():
        response = client.get(f"{RESULT}/{id}")
        assert response.status_code == 200, response.text
        return response.json() if response.json()["task_status"] != "PROCESSING" else None

    return until(found)


def test_a_result_is_the_completion(replica):
    client = replica(ScriptedEngine(CALL, piece=3))
    begun = begin(client, tools=[WEATHER])
    done = result(client, begun["id"])
    complete = client.post(CHAT, json={**HELLO, "tools": [WEATHER]}).json()

    assert list(begun) == ["id", "request_id", "model", "task_status"]
    assert (begun["task_status"], begun["request_id"], begun["model"]) == (
        "PROCESSING",
        begun["id"],
        "glm-4.6",
    )
    assert done["task_status"] == "SUCCESS"
    assert done["usage"] == complete["usage"]
    message, other = done["choices"][0]["message"], complete["choices"][0]["message"]
    assert message["tool_calls"][0].pop("id") != other["tool_calls"][0].pop("id")
    assert message == other


@memory
def test_a_running_turn_is_processing(replica):
    engine = ContinuingEngine("Hi there")
    engine.pause_after(2)
    client = replica(engine)
    begun = begin(client, request_id="my-request")

    assert client.get(f"{RESULT}/{begun['id']}").json() == begun
    assert begun["request_id"] == "my-request"
    engine.go_on()
    assert result(client, begun["id"])["choices"][0]["message"]["content"] == "Hi there"


@memory
@pytest.mark.parametrize(
    "named", [{"json": {**HELLO, "request_id": "a"}}, {"json": HELLO, "headers": HEADER}]
)
def test_a_repeated_request_with_the_same_id_starts_one_turn(replica, named):
    engine = ContinuingEngine("Hi there")
    client = replica(engine)
    first, second = (client.post(BEGIN, **named).json() for _ in range(2))

    assert first["id"] == second["id"]
    assert first["request_id"] == "a"
    assert result(client, "a")["choices"][0]["message"]["content"] == "Hi there"
    assert len(engine.asked) == 1


@memory
def test_a_turn_runs_without_readers(replica):
    engine = ContinuingEngine("Hi there, and so on", delay=0.03)
    client = replica(engine, linger=0.05)
    id = begin(client)["id"]
    until(lambda: engine.asked and not engine.running)

    assert result(client, id)["task_status"] == "SUCCESS"


@pytest.mark.parametrize("script", [[EngineError("no GPU")], ["Hi", EngineError("no GPU")]])
def test_a_failed_turn_has_the_status_fail(replica, script):
    client = replica(ScriptedEngine(script))
    failed = result(client, begin(client)["id"])

    assert failed["task_status"] == "FAIL"
    assert failed["error"] == {"code": "1234", "message": "no GPU"}
    assert "choices" not in failed


@shared
def test_every_replica_returns_the_result(replica):
    here, there = replica(ScriptedEngine("Hi there")), replica(ScriptedEngine("no"))
    id = begin(here)["id"]

    assert result(there, id)["choices"][0]["message"]["content"] == "Hi there"


@memory
def test_an_asynchronous_turn_can_be_streamed_and_a_streamed_turn_polled(replica):
    client = replica(ScriptedEngine("Hi there"))
    begun = begin(client)["id"]
    streamed = client.post(CHAT, json={**HELLO, "stream": True}, headers={"x-headrace-resumable": "1"})

    assert b"Hi t" in client.get(f"{CHAT}/{begun}").content
    assert result(client, streamed.headers["x-request-id"])["choices"][0]["message"]["content"] == "Hi there"


@memory
@pytest.mark.parametrize("prefix", ["/api/paas/v4", "/api/coding/paas/v4", "/v1"])
def test_every_prefix_serves_the_endpoint(replica, prefix):
    client = replica(ScriptedEngine("Hi"))
    begun = client.post(f"{prefix}/async/chat/completions", json=HELLO).json()

    assert client.get(f"{prefix}/async-result/{begun['id']}").status_code == 200


@memory
def test_an_invalid_request_is_an_error_immediately(replica):
    client = replica(ScriptedEngine("Hi"), api_keys=("me.secret", "you.secret"))
    mine, yours = ({"x-api-key": f"{name}.secret"} for name in ("me", "you"))
    id = client.post(BEGIN, json=HELLO, headers=mine).json()["id"]
    answers = [
        client.post(BEGIN, json=HELLO),
        client.post(BEGIN, json={**HELLO, "model": "gpt-9"}, headers=mine),
        client.get(f"{RESULT}/{id}", headers=yours),
        client.get(f"{RESULT}/nothing", headers=mine),
        client.post(f"{RESULT}/{id}", headers=mine),
    ]

    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [
        (401, "1001"),
        (400, "1211"),
        (404, "1214"),
        (404, "1214"),
        (405, "1222"),
    ]


def keyed(client, key, **fields):
    return client.post(BEGIN, json={**HELLO, **fields}, headers={"x-api-key": key})


def test_unfinished_asynchronous_requests_are_limited_for_each_key_and_in_total(serve):
    engine = ScriptedEngine("Hi there", piece=1, delay=0.2)
    limits = TurnSettings(max_async=3, max_async_per_key=2)
    client = serve(engine, api_keys=("alice.1", "bob.2"), turns=limits)
    begun = [keyed(client, "alice.1").json()["id"] for _ in range(2)]
    own = keyed(client, "alice.1")
    assert keyed(client, "bob.2").status_code == 200
    total = keyed(client, "bob.2")

    assert [(one.status_code, one.json()["error"]["code"]) for one in (own, total)] == [
        (429, "1302"),
        (429, "1305"),
    ]
    assert own.headers["retry-after"] == total.headers["retry-after"] == "1"

    for id in begun:
        while (
            client.get(f"{RESULT}/{id}", headers={"x-api-key": "alice.1"}).json()["task_status"] != "SUCCESS"
        ):
            time.sleep(0.01)
    assert keyed(client, "alice.1").status_code == 200


def test_a_rejected_asynchronous_request_is_not_counted(serve):
    client = serve(ScriptedEngine("Hi"), turns=TurnSettings(max_async=1, duplicates="reject"))
    for _ in range(3):
        assert client.post(BEGIN, json={**HELLO, "temperature": 9}).status_code == 400
        assert begin(client)["task_status"] == "PROCESSING"
        time.sleep(0.05)
