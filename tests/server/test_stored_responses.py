"""OpenAI's Responses over every store: other replicas, takeovers, and owners."""

import asyncio
import time

import msgspec
import pytest

from continuing_engine import ContinuingEngine
from headrace.events import Content, Text
from headrace.response_encoder import ResponseEncoder
from headrace.turns import TurnSettings, open_store
from headrace.wire import encode_request
from headrace.wire.responses import decode_response_request, form_of
from replicas import replica
from response_client import PATH, create, read, text_of
from response_contract import ResponseReader, decode, read_stream
from turn_stores import append, header, redis_server, shared, store_kind, store_name

__all__ = ["redis_server", "replica", "store_kind", "store_name"]

SCRIPT = " ".join(str(number) for number in range(40))
TOOLS = [{"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn"}]}]
BODY = {"model": "glm-4.6", "input": "Hello", "stream": True, "tools": TOOLS, "metadata": {"a": "b"}}


def test_a_response_can_be_read_again_and_then_deleted(replica):
    client = replica(ContinuingEngine(SCRIPT))
    data = client.post(PATH, json=BODY).content
    response = read_stream(data).response
    id = response["id"]

    assert client.get(f"{PATH}/{id}").json() == response
    assert read(client, id, 4) == decode(data)[5:]
    assert client.delete(f"{PATH}/{id}").json()["deleted"] is True
    for request in (client.get, client.delete):
        gone = request(f"{PATH}/{id}")
        assert (gone.status_code, gone.json()["error"]["code"]) == (410, "gone")
        assert "deleted" in gone.json()["error"]["message"]


@shared
def test_another_replica_has_the_same_response_and_continues_the_conversation(replica):
    here, there = replica(ContinuingEngine("Hi there")), replica(ContinuingEngine("Well"))
    data = here.post(PATH, json=BODY).content
    id = read_stream(data).response["id"]

    assert read(there, id) == decode(data)
    second = create(there, previous_response_id=id, input="And?")
    assert text_of(second) == "Well"
    listed = there.get(f"{PATH}/{second['id']}/input_items?order=asc").json()["data"]
    assert [item["type"] for item in listed] == ["message"] * 3
    assert listed[2]["content"] == [{"type": "input_text", "text": "And?"}]


@pytest.fixture
def dead(store_name):
    """A process that has produced twenty events of a turn and is gone, and what its client has received."""
    request = decode_response_request(msgspec.json.encode(BODY)).chat
    pieces = [Text(SCRIPT[at : at + 2]) for at in range(0, 40, 2)]
    turn = header("t1", owner="", detached=True)
    with asyncio.Runner() as runner:
        store = open_store(TurnSettings(store=store_name))
        runner.run(store.create(turn, encode_request(request)))
        runner.run(append(store, "t1", (1, 0), pieces))
        runner.run(store.close())
    encoder = ResponseEncoder("t1", turn.created, form_of(request))
    return b"".join(encoder.encode_frame(Content(piece.text)) or b"" for piece in pieces)


@shared
def test_a_response_is_continued_by_another_process_with_the_same_numbers(dead, replica):
    client, reader = replica(ContinuingEngine(SCRIPT)), ResponseReader()
    for event in decode(dead):
        reader.feed(event)
    for event in read(client, "resp_t1", reader.number):
        reader.feed(event)

    assert text_of(reader.response) == SCRIPT
    assert (reader.response["metadata"], reader.response["tools"]) == ({"a": "b"}, TOOLS)
    assert client.get(f"{PATH}/resp_t1").json() == reader.response
    assert read(client, "resp_t1")[: reader.number + 1][-1]["response"] == reader.response


def test_the_responses_of_another_key_are_unknown(replica):
    client = replica(ContinuingEngine("Hi"), api_keys=("a.secret", "b.secret"))
    own, other = ({"authorization": f"Bearer {key}.secret"} for key in "ab")
    id = create(client, headers=own)["id"]

    assert client.get(f"{PATH}/{id}", headers=own).status_code == 200
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        response = client.request(method, f"{PATH}/{id}{path}", headers=other)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")
    error = create(client, previous_response_id=id, headers=other, status=400)["error"]
    assert error["param"] == "previous_response_id"
    item = {"type": "item_reference", "id": f"msg_{id.removeprefix('resp_')}_0"}
    assert create(client, input=[item], headers=other, status=400)["error"]["param"] == "input[0].id"


@shared
def test_a_running_response_can_be_deleted_at_another_replica(replica):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(8)
    here, there = replica(engine, lease=1.0), replica(ContinuingEngine(SCRIPT), lease=1.0)
    id = create(here, background=True)["id"]

    assert there.delete(f"{PATH}/{id}").json() == {"id": id, "object": "response", "deleted": True}
    assert there.get(f"{PATH}/{id}").status_code == 410
    deadline = time.monotonic() + 30
    while here.get(f"{PATH}/{id}").status_code != 410:  # it notices with its next heartbeat
        assert time.monotonic() < deadline
        time.sleep(0.02)
