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
