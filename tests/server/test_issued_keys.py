"""What an issued key may do at the endpoints: its models, its quota."""

import json
import threading
import time

import pytest

from headrace.engines import ScriptedEngine
from headrace.engines.http import HttpTransport
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.upstream import UpstreamEngine
from headrace.limits import KeyLimits, LimitSettings
from headrace.sse import DONE
from headrace.turns import TurnSettings
from issued_keys import MASTER, issue, revoke
from scripted_server import Reply, ScriptedServer, stream
from wire_client import deltas, events_of
from zai.http.auth import generate_token, generate_turn_token

CHAT = "/api/paas/v4/chat/completions"
QUOTA = "/api/monitor/usage/quota/limit"
BODY = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def turns(tmp_path):
    return TurnSettings(store=f"sqlite:{tmp_path}/turns.db")


@pytest.fixture
def headers_of(turns):
    """Issues a key; returns the headers that have it."""
    return lambda name, **fields: {"authorization": f"Bearer {issue(turns, name, **fields)}"}


@pytest.fixture
def client(serve, turns):
    limits = LimitSettings(requests_per_minute=60)
    return serve(ScriptedEngine("Hello"), turns=turns, master_key=MASTER, limits=limits)


@pytest.mark.parametrize("sign", [False, True])
def test_an_issued_key_is_accepted_as_it_is_and_as_the_sdks_token(client, headers_of, sign):
    headers = headers_of("k1")
    if sign:
        headers = {"authorization": generate_token(headers["authorization"].removeprefix("Bearer "))}
    response = client.post(CHAT, json={**BODY, "model": "glm-4.6"}, headers=headers)

    assert response.json()["choices"][0]["message"]["content"] == "Hello"
    assert client.post(CHAT, json={**BODY, "model": "glm-4.6"}).status_code == 401


@pytest.mark.parametrize("names", [("glm-4.6",), ("HEADRACE-TINY", "other")])
def test_a_key_may_use_its_models_by_any_of_their_names(client, headers_of, names):
    headers = headers_of("k1", models=names)
    listed = client.get("/v1/models", headers=headers).json()["data"]

    assert [model["id"] for model in listed] == ["glm-4.6", "headrace-tiny"]
    for name in ("glm-4.6", "Headrace-Tiny"):
        assert client.get(f"/v1/models/{name}", headers=headers).status_code == 200
        assert client.post(CHAT, json={**BODY, "model": name}, headers=headers).status_code == 200


def test_a_key_sees_and_uses_no_other_models(client, headers_of):
    headers = headers_of("k1", models=("other",))
    assert client.get("/v1/models", headers=headers).json()["data"] == []

    for response in (
        client.get("/v1/models/glm-4.6", headers=headers),
        client.post(CHAT, json={**BODY, "model": "glm-4.6"}, headers=headers),
        client.post(
            f"{CHAT.replace('chat', 'async/chat')}", json={**BODY, "model": "glm-4.6"}, headers=headers
        ),
    ):
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "1220"
        assert response.json()["error"]["message"].endswith('may not use "glm-4.6"; it may use other')
    assert client.get("/v1/models/glm-9", headers=headers).status_code == 404


def test_a_stream_of_a_key_that_is_revoked_continues_to_its_end(serve, turns, headers_of):
    revoked = threading.Event()
    first, *rest = stream("Hel", "lo")
    with ScriptedServer(Reply([first, revoked, *rest])) as upstream:
        transport = HttpTransport(upstream.url)
        engine = UpstreamEngine(transport, Chat(DIALECTS["openai"], transport.upstream, model="m"))
        client = serve(engine, turns=turns, master_key=MASTER)
        headers = headers_of("k1")
        request = {"json": {**BODY, "model": "glm-4.6", "stream": True}, "headers": headers}
        with client.stream("POST", CHAT, **request) as response:
            pieces = response.iter_raw()
            begun = next(pieces)
            revoke(turns, "k1")
            while client.get("/v1/models", headers=headers).status_code == 200:
                time.sleep(0.01)
            revoked.set()
            events = events_of(begun + b"".join(pieces))

    assert "".join(deltas([json.loads(event.data) for event in events[:-1]], "content")) == "Hello"
    assert events[-1].data == DONE


def test_the_signed_url_of_a_key_that_is_revoked_is_refused(client, turns, headers_of):
    headers = {**headers_of("k1"), "X-Headrace-Resumable": "1"}
    id = client.post(CHAT, json={**BODY, "model": "glm-4.6"}, headers=headers).json()["id"]
    query = {"token": generate_turn_token(headers["authorization"].removeprefix("Bearer "), id)}
    assert client.get(f"{CHAT}/{id}", params=query).status_code == 200
    revoke(turns, "k1")
    while (response := client.get(f"{CHAT}/{id}", params=query)).status_code == 200:
        time.sleep(0.01)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "1002")
    assert "revoked" in response.json()["error"]["message"]


def test_the_quota_shows_the_limits_of_the_key_or_the_servers(client, headers_of):
    own = client.get(QUOTA, headers=headers_of("k1", limits=KeyLimits(tokens_per_5h=5000))).json()
    servers = client.get(QUOTA, headers=headers_of("k2")).json()

    assert own["success"] is True
    assert [(limit["type"], limit["usage"]) for limit in own["data"]["limits"]] == [
        ("TOKENS_LIMIT", 5000),
        ("REQUESTS_LIMIT", 60),
    ]
    assert [limit["usage"] for limit in servers["data"]["limits"]] == [60]
    assert client.get(QUOTA).status_code == 401


def test_a_server_without_keys_has_a_quota_as_well(serve):
    client = serve(ScriptedEngine("Hello"), limits=LimitSettings(tokens_per_5h=1000))

    assert client.get(QUOTA).json()["data"]["limits"][0]["remaining"] == 1000
