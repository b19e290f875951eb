"""What a reader in a page needs beside GET and DELETE: resuming by POST, the list of its turns, lingering, links."""

import re
import time

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from replicas import RESUMABLE, replica
from turn_stores import memory, redis_server, store_kind, store_name
from wire_client import CHAT, HELLO, OPENAI_CHAT
from zai.http.auth import generate_token, generate_turn_token

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

SCRIPT = "\n<think>I count.</think>\n" + " ".join(str(number) for number in range(60))


def waiting():
    """An engine whose answers do not end by themselves."""
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(5)
    return engine


def running(client, headers=()):
    response = client.get(CHAT, params={"status": "running"}, headers=headers).raise_for_status().json()
    assert response["object"] == "list"
    assert {turn["status"] for turn in response["data"]} <= {"running"}
    assert all(turn["created"] > 1.7e9 for turn in response["data"])
    return response["data"]


def names(turns):
    return {turn["request_id"]: turn["id"] for turn in turns}


def begin(client, request_id, **headers):
    """Start a turn, and leave when its response has begun; return its headers."""
    sent = {**RESUMABLE, "X-Headrace-Request-Id": request_id, **headers}
    with client.stream("POST", CHAT, json={**HELLO, "stream": True}, headers=sent) as response:
        assert response.status_code == 200, response.read()
        next(response.iter_raw())
        return response.headers


@memory
def test_a_post_resumes_as_a_get_does(replica):
    client = replica(ScriptedEngine(SCRIPT, piece=3))
    id = client.post(CHAT, json=HELLO, headers=RESUMABLE).json()["id"]

    for position in ({}, {"Last-Event-ID": "7"}):
        whole = client.get(f"{CHAT}/{id}", headers=position).raise_for_status()
        for body in (b"", b" {} "):
            headers = {"Content-Type": "application/json", **position}
            resumed = client.post(f"{CHAT}/{id}", content=body, headers=headers)
            assert without_retry(resumed.content) == without_retry(whole.content)


def without_retry(content):
    """Without the time after which a client that loses the server comes back: it is at random."""
    return re.sub(rb"^retry: \d+\n", b"", content)


@memory
def test_a_post_that_resumes_has_no_body(replica):
    client = replica(ScriptedEngine("Hi there"))
    id = client.post(CHAT, json=HELLO, headers=RESUMABLE).json()["id"]
    response = client.post(f"{CHAT}/{id}", json=HELLO)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "1210")


@memory
def test_a_stream_reports_how_long_it_can_be_silent(replica):
    client = replica(ScriptedEngine("Hi there"), keep_alive_interval=2.5)
    response = client.post(CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE)
    id = response.headers["x-headrace-turn"]

    for each in (response, client.get(f"{CHAT}/{id}")):
        assert each.headers["x-headrace-keep-alive"] == "2.5"
        # Only in a frame with data: otherwise it ends both official SDKs. Events that are there are one frame.
        assert re.findall(rb"retry:.*\n(.*)", each.content) in ([], [b"id: 1"], [b"id: 2"])
    assert "x-headrace-keep-alive" not in client.post(CHAT, json={**HELLO, "stream": True}).headers


def test_the_running_turns_of_a_key_are_listed_by_every_replica(replica, store_kind):
    keys = ("a.secret", "b.secret")
    here, there = (replica(waiting(), api_keys=keys) for _ in range(2))
    a, b = ({"Authorization": f"Bearer {key}"} for key in keys)
    begun = {name: begin(here, name, **key) for name, key in [("first", a), ("second", a), ("third", b)]}

    ids = {name: headers["x-headrace-turn"] for name, headers in begun.items()}
    for client in [here] if store_kind == "memory" else [here, there]:
        assert names(running(client, a)) == {"first": ids["first"], "second": ids["second"]}
        assert names(running(client, b)) == {"third": ids["third"]}
    here.delete(f"{CHAT}/first", headers=a).raise_for_status()
    assert names(running(here, a)) == {"second": ids["second"]}


@memory
@pytest.mark.parametrize("query", ["", "?status=", "?status=ended", "?limit=3"])
def test_only_running_turns_can_be_listed(replica, query):
    response = replica(ScriptedEngine("Hi")).get(CHAT + query)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "1214")
    assert "?status=running" in response.json()["error"]["message"]


@memory
def test_the_list_needs_a_key(replica):
    client = replica(ScriptedEngine("Hi"), api_keys=("a.secret",))

    assert client.get(f"{OPENAI_CHAT}?status=running").status_code == 401


# --- lingering -------------------------------------------------------------------------------------


@memory
def test_a_request_chooses_how_long_its_turn_lingers_within_the_bound(replica):
    client = replica(waiting(), linger=60.0, max_linger=300.0)

    for sent, told in [("0.5", "0.5"), ("300", "300"), ("86400", "300")]:
        assert begin(client, f"linger {sent}", **{"X-Headrace-Linger": sent})["x-headrace-linger"] == told
    assert "x-headrace-linger" not in begin(client, "default")


@memory
def test_a_turn_ends_after_its_own_linger(replica):
    client = replica(waiting(), linger=3600.0)
    begin(client, "short", **{"X-Headrace-Linger": "0"})
    begin(client, "long")
    while "short" in (names := [turn["request_id"] for turn in running(client)]):
        time.sleep(0.01)

    assert names == ["long"]


@memory
@pytest.mark.parametrize("value", ["", "-1", "soon", "1e3", "inf", "1;2", "9" * 400])
def test_a_linger_that_is_no_number_of_seconds_is_rejected(replica, value):
    headers = {**RESUMABLE, "X-Headrace-Linger": value}
    response = replica(ScriptedEngine("Hi")).post(CHAT, json=HELLO, headers=headers)

    assert response.status_code == 400
    assert "x-headrace-linger" in response.json()["error"]["message"]


@memory
def test_a_linger_needs_a_resumable_turn(replica):
    client = replica(ScriptedEngine("Hi"))
    headers = {"X-Headrace-Linger": "5"}

    assert "resumable" in client.post(CHAT, json=HELLO, headers=headers).json()["error"]["message"]
    assert client.post(CHAT, json={**HELLO, "request_id": "r"}, headers=headers).status_code == 200


# --- signed URLs -----------------------------------------------------------------------------------

KEY = "id.secret"
READ_STOP = "read stop"


def status(response):
    return response.status_code, response.json()["error"]["code"] if response.status_code >= 400 else ""


@memory
@pytest.mark.parametrize("name", ["turn", "request id"])
def test_a_signed_url_reads_and_stops_its_turn_and_nothing_else(replica, name):
    client = replica(waiting(), api_keys=(KEY,))
    key = {"Authorization": f"Bearer {KEY}"}
    ids = {"request id": "mine", "turn": begin(client, "mine", **key)["x-headrace-turn"]}
    begin(client, "other", **key)
    token = generate_turn_token(KEY, ids[name], scope=READ_STOP)
    url, query = f"{CHAT}/{ids[name]}", {"token": token}
    other = next(id for each, id in ids.items() if each != name)

    with client.stream("GET", url, params=query) as response:
        assert response.status_code == 200
    assert status(client.get(f"{CHAT}/{other}", params=query)) == (403, "1220")
    assert status(client.delete(f"{CHAT}/other", params=query)) == (403, "1220")
    assert status(client.get(f"{CHAT}?status=running", params={"status": "running", **query})) == (
        401,
        "1001",
    )
    for headers in ({"Authorization": f"Bearer {token}"}, {"x-api-key": token}):
        assert status(client.post(CHAT, json=HELLO, headers=headers)) == (403, "1220")
        assert status(client.get("/v1/models", headers=headers)) == (403, "1220")
    assert client.delete(url, params=query).status_code == 200
    assert client.post(url, params=query, headers={"Content-Type": "application/json"}).status_code == 200


@memory
@pytest.mark.parametrize("scope", ["", "read", "stop", "reading", "STOP read"])
def test_the_scope_of_a_url_limits_it(replica, scope):
    client = replica(ScriptedEngine("Hi"), api_keys=(KEY,))
    id = client.post(CHAT, json=HELLO, headers={**RESUMABLE, "x-api-key": KEY}).json()["id"]
    query = {"token": generate_turn_token(KEY, id, scope=scope)}
    json = {"Content-Type": "application/json"}

    for method, action in [("GET", "read"), ("POST", "read"), ("DELETE", "stop")]:
        expected = (200, "") if action in scope.split() else (403, "1220")
        assert status(client.request(method, f"{CHAT}/{id}", params=query, headers=json)) == expected


@memory
def test_a_url_that_is_not_signed_for_its_turn_is_rejected(replica):
    client = replica(ScriptedEngine("Hi"), api_keys=(KEY, "b.other"))
    id = client.post(CHAT, json=HELLO, headers={**RESUMABLE, "x-api-key": KEY}).json()["id"]
    signed = generate_turn_token(KEY, id)
    tokens = {
        KEY: "1002",
        generate_turn_token("id.wrong", id): "1002",
        generate_turn_token(KEY, id, lifetime=-1): "1003",
        signed[:-2] + ("AA" if signed[-2:] != "AA" else "BB"): "1002",
        "": "1002",
    }

    for token, code in tokens.items():
        assert status(client.get(f"{CHAT}/{id}", params={"token": token})) == (401, code), token
    whole_key = generate_token(KEY)
    assert status(client.get(f"{CHAT}/{id}", params={"token": whole_key})) == (403, "1220")
    of_another = generate_turn_token("b.other", id)
    assert status(client.get(f"{CHAT}/{id}", params={"token": of_another})) == (404, "1214")


@memory
def test_a_server_without_keys_needs_no_signature(replica):
    client = replica(ScriptedEngine("Hi"))
    id = client.post(CHAT, json=HELLO, headers=RESUMABLE).json()["id"]

    assert client.get(f"{CHAT}/{id}", params={"token": "any"}).status_code == 200
