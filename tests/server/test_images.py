"""Images on their way through the server: to an upstream whose model accepts them, and to no other."""

import json

import httpx2
import pytest

from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings, LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from scripted_server import Reply, ScriptedServer, stream
from wire_client import CHAT

PNG = "iVBORw0KGgo" + "A" * 100_000
PARTS = [
    {"type": "text", "text": "What is the difference?"},
    {"type": "image_url", "image_url": {"url": PNG}},
    {"type": "image_url", "image_url": {"url": "https://example.com/b.png", "detail": "low"}},
]
SENT = [PARTS[0], {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, PARTS[2]]


@pytest.fixture(scope="module")
def upstream():
    with ScriptedServer(Reply(stream("A ", "cat"))) as server:
        yield server


@pytest.fixture(scope="module")
def client(upstream):
    url = (upstream.url,)
    models = [
        load_model("sees", ChatSettings(url=url, upstream_model="glm-4.6v", context=4096)),
        load_model("reads", ChatSettings(url=url, upstream_model="glm-4.6")),
        load_model("", LlamaSettings(slots=1)),
    ]
    app = App(ModelRegistry(models), Settings())
    with LocalServer(app) as server, httpx2.Client(base_url=server.url, trust_env=False) as opened:
        yield opened


def ask(client, model, **fields):
    return client.post(
        CHAT, json={"model": model, "messages": [{"role": "user", "content": PARTS}], **fields}
    )


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("headers", [{}, {"X-Headrace-Resumable": "1"}])
def test_a_model_that_accepts_images_gets_them_in_their_order(client, upstream, is_stream, headers):
    body = {"model": "sees", "messages": [{"role": "user", "content": PARTS}], "stream": is_stream}
    answer = client.post(CHAT, json=body, headers=headers)

    assert (answer.status_code, "cat" in answer.text) == (200, True)
    assert upstream.asked[-1].body["messages"] == [{"role": "user", "content": SENT}]


@pytest.mark.parametrize("model", ["reads", "glm-4.6v"])
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_model_without_images_rejects_the_first_one(client, upstream, model, is_stream):
    before = len(upstream.asked)
    answer = ask(client, model, stream=is_stream)

    assert answer.status_code == 400
    assert json.loads(answer.text)["error"]["code"] == "1210"
    assert answer.json()["error"]["message"] == (
        'messages[0].content[1].type is "image_url"; this model accepts only text parts'
    )
    assert len(upstream.asked) == before


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://example.com/b.png"}}


@pytest.mark.parametrize("is_stream", [True, False])
def test_blocks_of_the_messages_api_arrive_as_parts(client, upstream, is_stream):
    content = [PARTS[0], IMAGE, LINK]
    body = {"model": "sees", "max_tokens": 9, "messages": [{"role": "user", "content": content}]}
    answer = client.post("/v1/messages", json={**body, "stream": is_stream})

    assert (answer.status_code, "cat" in answer.text) == (200, True)
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/b.png"}}
    assert upstream.asked[-1].body["messages"][0]["content"] == [*SENT[:2], linked]
    refused = client.post("/v1/messages", json={**body, "model": "reads"})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].startswith("Could not process image")


def test_max_tokens_of_the_messages_api_is_reduced_to_the_context(client, upstream):
    """Claude Code asks for 32,000 to 128,000, whatever the model is."""
    body = {"model": "sees", "max_tokens": 128_000, "messages": [{"role": "user", "content": "Hi"}]}
    assert client.post("/v1/messages", json=body).status_code == 200
    assert upstream.asked[-1].body["max_tokens"] == 4096
