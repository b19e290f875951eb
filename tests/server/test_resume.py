"""Resuming a turn: from another connection, another client, another replica."""

import json
import threading
import time
from itertools import pairwise

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.sse import DONE
from replicas import RESUMABLE, content, events_after, ids, replica
from turn_stores import memory, redis_server, shared, store_kind, store_name
from waiting import until
from wire_client import CALL, CHAT, HELLO, OPENAI_CHAT, WEATHER, chunks_of, deltas, events_of

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

SCRIPT = "\n<think>I count.</think>\n" + " ".join(str(number) for number in range(60))
ANSWER = " ".join(str(number) for number in range(60))


def begin(client, **fields):
    """Read the first bytes of a resumable stream and disconnect; return the turn id and the events received."""
    headers = {**RESUMABLE, **fields.pop("headers", {})}
    with client.stream("POST", CHAT, json={**HELLO, "stream": True, **fields}, headers=headers) as response:
        assert response.status_code == 200, response.read()
        pieces = response.iter_raw()
        while not (events := events_of(next(pieces))):
            pass
        return response.headers["x-request-id"], events


# --- event ids -------------------------------------------------------------------------------------


@memory
def test_events_have_ids_only_for_clients_that_request_them(replica):
    client = replica(ScriptedEngine("Hi there"))
    plain = client.post(CHAT, json={**HELLO, "stream": True})
    resumable = client.post(CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE)

    assert b"id: " not in plain.content
    assert ids(events_of(resumable.content)) == [1, 2, 3]
    assert chunks_of(plain.content)[0].keys() == chunks_of(resumable.content)[0].keys()
    assert "x-headrace-resume" not in resumable.headers


@memory
def test_with_resume_always_all_events_have_ids(replica):
    client = replica(ScriptedEngine("Hi there"), resume="always")
    response = client.post(CHAT, json={**HELLO, "stream": True})

    assert ids(events_of(response.content)) == [1, 2, 3]
    assert content(events_after(client, response.headers["x-request-id"])) == "Hi there"


def test_a_stream_can_be_resumed_after_each_event(replica):
    client = replica(ScriptedEngine(CALL, piece=3))
    request = {**HELLO, "tools": [WEATHER], "tool_stream": True, "stream": True}
    response = client.post(CHAT, json=request, headers=RESUMABLE)
    whole = events_of(response.content)
    id = response.headers["x-request-id"]

    assert all(before < after for before, after in pairwise(ids(whole)))
    for seen in [0, *ids(whole)[:-1]]:
        rest = events_after(client, id, seen)
        assert joined(rest) == joined(
            [event for event in whole if event.data == DONE or int(event.id) > seen]
        )


def test_at_openais_path_a_resumed_stream_does_not_repeat_the_role(replica):
    client = replica(ScriptedEngine("one two three", piece=3))
    response = client.post(OPENAI_CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE)
    turn = f"{OPENAI_CHAT}/{response.headers['x-request-id']}"

    for after in range(len(chunks_of(response.content))):
        rest = chunks_of(client.get(turn, headers={"last-event-id": str(after)}).content)
        assert deltas(rest, "role") == ([] if after else ["assistant"])


def joined(events):
    """Return all text by kind, and what follows the calls, independently of how events were merged."""
    texts = {"content": "", "reasoning_content": "", "arguments": "", "names": [], "ending": []}
    for event in events:
        if event.data == DONE:
            texts["ending"].append("[DONE]")
            continue
        choice = json.loads(event.data)["choices"][0]
        texts["content"] += choice["delta"].get("content", "")
        texts["reasoning_content"] += choice["delta"].get("reasoning_content", "")
        for call in choice["delta"].get("tool_calls", ()):
            texts["names"] += [(call["id"], call["function"]["name"])] if "id" in call else []
            texts["arguments"] += call["function"]["arguments"]
        texts["ending"] += [choice["finish_reason"]] if "finish_reason" in choice else []
    return texts


# --- readers that disconnect and reconnect ----------------------------------------------------------


@pytest.mark.parametrize(
    "away",
    [0.0, 1.0, pytest.param(30.0, marks=pytest.mark.nightly)],
)
def test_a_client_that_reconnects_gets_the_rest(replica, away):
    engine = ContinuingEngine(SCRIPT, piece=3, delay=0.01)
    client = replica(engine, linger=60.0)
    id, first = begin(client)
    time.sleep(away)
    rest = events_after(client, id, first[-1].id)

    assert content(first) + content(rest) == ANSWER
    assert rest[-1].data == DONE
    assert len(engine.asked) == 1


@memory
def test_a_turn_without_readers_continues_for_linger(replica):
    engine = ContinuingEngine(SCRIPT, piece=3)
    engine.pause_after(8)
    client = replica(engine, linger=0.3)
    id, first = begin(client)
    until(lambda: not engine.running)
    rest = events_after(client, id, first[-1].id)

    assert engine.running == 0
    assert json.loads(rest[-2].data)["choices"][0]["finish_reason"] == "network_error"


@memory
def test_a_turn_that_is_not_resumable_stops_when_its_client_disconnects(replica):
    engine = ContinuingEngine(SCRIPT, piece=3, delay=0.02)
    client = replica(engine)
    with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
        next(response.iter_raw())
    until(lambda: not engine.running)

    assert engine.running == 0
    response = client.get(f"{CHAT}/{response.headers['x-request-id']}")
    assert (response.status_code, "X-Headrace-Resumable: 1" in response.text) == (404, True)


def test_an_evicted_turn_is_410_with_the_reason(replica, store_kind, store_name):
    client = replica(ScriptedEngine("Hi there"), retention=2.0, lease=0.3)
    id = client.post(CHAT, json=HELLO, headers=RESUMABLE).json()["id"]
    assert client.get(f"{CHAT}/{id}").status_code == 200
    until(lambda: client.get(f"{CHAT}/{id}").status_code != 200)
    response = client.get(f"{CHAT}/{id}")

    assert (response.status_code, response.json()["error"]["code"]) == (410, "1214")
    assert (
        f"turn {id} is no longer available: its retention time is over" in response.json()["error"]["message"]
    )
    assert client.delete(f"{CHAT}/{id}").status_code == 410


def test_an_unknown_turn_is_404(replica):
    response = replica(ScriptedEngine("Hi")).get(f"{CHAT}/20260313050448e162ecc8207a4c47")

    assert (response.status_code, response.json()["error"]["code"]) == (404, "1214")


def test_concurrent_readers_get_the_same_stream(replica):
    client = replica(ContinuingEngine(SCRIPT, piece=3, delay=0.01))
    id, first = begin(client)
    read = {}

    def follow(name):
        read[name] = events_after(client, id, first[-1].id)

    readers = [threading.Thread(target=follow, args=(name,)) for name in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert [content(first) + content(events) for events in read.values()] == [ANSWER] * 2
    assert ids(read[0])[-1] == ids(read[1])[-1]


def test_a_turn_of_another_key_is_404(replica):
    client = replica(ScriptedEngine("Hi there"), api_keys=("me.secret", "you.secret"))
    mine, yours = ({"authorization": f"Bearer {name}.secret"} for name in ("me", "you"))
    id = client.post(CHAT, json=HELLO, headers={**RESUMABLE, **mine}).json()["id"]

    assert client.get(f"{CHAT}/{id}", headers=mine).status_code == 200
    assert client.get(f"{CHAT}/{id}").status_code == 401
    for method in ("GET", "DELETE"):
        response = client.request(method, f"{CHAT}/{id}", headers=yours)
        assert (response.status_code, "no turn" in response.json()["error"]["message"]) == (404, True)


@memory
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("4", "Last-Event-ID is 4, but turn {id} has only 3 events"),
        ("-1", 'Last-Event-ID is "-1"; it must be'),
        ("abc", 'Last-Event-ID is "abc"; it must be'),
        ("1.5", 'Last-Event-ID is "1.5"; it must be'),
        ("9" * 30, 'Last-Event-ID is "99999'),
        ("²", 'Last-Event-ID is "'),
    ],
)
@pytest.mark.parametrize("by", ["header", "query"])
def test_the_error_for_an_invalid_position_has_its_name_and_value(replica, value, message, by):
    client = replica(ScriptedEngine("Hi there"))
    id = client.post(CHAT, json=HELLO, headers=RESUMABLE).json()["id"]
    by_header = {"headers": {"last-event-id": value.encode()}}
    response = client.get(f"{CHAT}/{id}", **(by_header if by == "header" else {"params": {"after": value}}))
    received = response.json()["error"]["message"]

    assert (response.status_code, response.json()["error"]["code"]) == (400, "1214")
    assert received.startswith(
        (message if by == "header" else message.replace("Last-Event-ID", "after")).format(id=id)
    )


@memory
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_after_the_last_event_there_is_no_content(replica, method):
    client = replica(ScriptedEngine("Hi there"))
    id = client.post(CHAT, json=HELLO, headers=RESUMABLE).json()["id"]
    headers = {"Content-Type": "application/json", "Last-Event-ID": "3"}
    response = client.request(method, f"{CHAT}/{id}", headers=headers)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["x-headrace-turn"] == id


@memory
def test_a_position_beyond_the_last_event_of_a_running_turn_is_an_error(replica):
    engine = ContinuingEngine(SCRIPT, piece=3)
    engine.pause_after(8)
    client = replica(engine)
    id, _ = begin(client)
    response = client.get(f"{CHAT}/{id}", headers={"last-event-id": "50"})
    engine.go_on()

    assert (response.status_code, response.json()["error"]["code"]) == (400, "1214")


# --- browsers -------------------------------------------------------------------------------------


@memory
def test_an_event_source_starts_with_a_query_and_reconnects_with_a_header(replica):
    client = replica(ScriptedEngine("Hi there"))
    id = client.post(CHAT, json=HELLO, headers=RESUMABLE).json()["id"]
    by_query = client.get(f"{CHAT}/{id}", params={"after": "1"}, headers={"accept": "text/event-stream"})
    by_both = client.get(f"{CHAT}/{id}", params={"after": "1"}, headers={"last-event-id": "2"})

    assert by_query.headers["content-type"] == "text/event-stream;charset=UTF-8"
    assert ids(events_of(by_query.content)) == [2, 3]
    assert ids(events_of(by_both.content)) == [3]  # the header is the newer one


@memory
def test_an_invalid_after_is_rejected_beside_a_last_event_id(replica):
    client = replica(ScriptedEngine("Hi there"))
    response = client.get(f"{CHAT}/any", params={"after": "x"}, headers={"last-event-id": "2"})

    assert response.status_code == 400
    assert 'after is "x"' in response.json()["error"]["message"]


# --- replicas -------------------------------------------------------------------------------------


@shared
def test_a_stream_can_be_resumed_at_another_replica(replica):
    engine = ContinuingEngine(SCRIPT, piece=3, delay=0.01)
    here, there = replica(engine), replica(ContinuingEngine(SCRIPT))
    id, first = begin(here)
    rest = events_after(there, id, first[-1].id)

    assert content(first) + content(rest) == ANSWER
    assert len(engine.asked) == 1


@shared
def test_a_replica_that_follows_a_turn_accepts_a_position_it_has_not_reached(replica):
    """A client that changes replicas is ahead of what the other replica has read from the store."""
    engine = ContinuingEngine(SCRIPT, piece=3, delay=0.01)
    here, there = replica(engine), replica(ContinuingEngine(SCRIPT))
    with here.stream("POST", CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE) as response:
        along = threading.Thread(target=events_after, args=(there, response.headers["x-request-id"]))
        along.start()
        events = []
        for piece in response.iter_raw():
            events += events_of(piece)
            if events and len(events) % 10 == 0:
                id, seen = response.headers["x-request-id"], events[-1].id
                with there.stream("GET", f"{CHAT}/{id}", headers={"last-event-id": seen}) as other:
                    assert other.status_code in (200, 204)
        along.join()

    assert content(events) == ANSWER


# --- errors ---------------------------------------------------------------------------------------


@memory
def test_only_clients_that_request_it_get_the_reason_of_a_failure(replica):
    client = replica(ScriptedEngine(["Hi", EngineError("the GPU is gone")]))
    plain = client.post(CHAT, json={**HELLO, "stream": True})
    ours = client.post(CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE)
    named = [event for event in events_of(ours.content) if event.event]

    assert b"event:" not in plain.content
    assert [event.event for event in named] == ["error"]
    assert json.loads(named[0].data) == {
        "error": {"code": "1234", "message": "the GPU is gone", "type": "server_error"}
    }
    assert events_of(ours.content)[-3:][0] == named[0]  # then the finish chunk, then [DONE]
    assert chunks_of(plain.content)[-1]["choices"][0]["finish_reason"] == "network_error"


@memory
def test_an_unreachable_store_is_503_for_resumable_turns_only(replica):
    client = replica(ScriptedEngine("Hi"), store="redis://127.0.0.1:1/0")
    refused = client.post(CHAT, json={**HELLO, "stream": True}, headers=RESUMABLE)

    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "1234")
    assert "turn store" in refused.json()["error"]["message"]
    assert client.get(f"{CHAT}/1").status_code == 503
    assert client.post(CHAT, json=HELLO).status_code == 200


@memory
@pytest.mark.parametrize("streaming", [True, False])
def test_with_on_store_error_continue_a_turn_starts_without_the_store_and_has_a_header(replica, streaming):
    client = replica(ScriptedEngine("Hi"), store="redis://127.0.0.1:1/0", on_store_error="continue")
    response = client.post(CHAT, json={**HELLO, "stream": streaming}, headers=RESUMABLE)

    assert (response.status_code, response.headers["x-headrace-resume"]) == (200, "off")
    assert b"id: " not in response.content
    assert "x-headrace-resume" not in client.post(CHAT, json=HELLO).headers
