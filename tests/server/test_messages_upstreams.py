"""Anthropic's Messages for models of another server, which renders and parses: engine `chat`."""

import json
import threading
from contextlib import ExitStack

import httpx2
import pytest

from headrace.events import Progress
from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from headrace.sse import SseDecoder
from message_grammar import violations
from scripted_server import Reply, ScriptedServer
from scripted_server import stream as chunks

MESSAGES = "/v1/messages"
ASK = {"model": "glm-4.6", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}
COUNT = Reply(b'{"count": 7, "max_model_len": 4096, "tokens": [1, 2, 3, 4, 5, 6, 7]}')


@pytest.fixture
def ask():
    """Serves a model of a vLLM with these replies; returns a client, the upstream and the app."""
    with ExitStack() as opened:

        def start(reply, count):
            upstream = opened.enter_context(ScriptedServer(reply))
            upstream.at["/tokenize"] = count
            settings = ChatSettings(url=(upstream.url,), upstream_model="glm-4.6", dialect="vllm")
            app = App(ModelRegistry([load_model("glm-4.6", settings)]), Settings())
            server = opened.enter_context(LocalServer(app))
            return opened.enter_context(httpx2.Client(base_url=server.url, trust_env=False)), upstream

        yield start


def usages(client):
    """The usage of `message_start` and of `message_delta`."""
    response = client.post(MESSAGES, json={**ASK, "stream": True})
    data = [json.loads(event.data) for event in SseDecoder().feed(response.content)]
    assert violations(data) == []
    delta = next(one for one in data if one["type"] == "message_delta")
    return data[0]["message"]["usage"]["input_tokens"], delta["usage"]["input_tokens"]


def test_the_start_of_a_message_has_the_number_that_the_servers_tokenizer_counts(ask, monkeypatch):
    counted = threading.Event()  # the model reads the prompt until then
    client, upstream = ask(Reply([counted, *chunks("Hi")]), COUNT)

    def progress(*tokens):
        counted.set()
        return Progress(*tokens)

    monkeypatch.setattr("headrace.engines.upstream.Progress", progress)

    assert usages(client) == (7, 3)  # which the server counts differently in this test
    assert sorted(one.path for one in upstream.asked if one.method == "POST") == [
        "/api/paas/v4/chat/completions",
        "/tokenize",
    ]


@pytest.mark.parametrize("count", [Reply(b"{}", 404), Reply(b"{}", 500), Reply([b" "], end="hold")])
def test_a_server_that_does_not_count_changes_nothing_else(ask, count):
    client, _ = ask(Reply(chunks("Hi")), count)
    start, delta = usages(client)
    assert (start in (0, 3), delta) == (True, 3)  # 3 if the complete answer has come at once


@pytest.mark.parametrize(("count", "expected"), [(COUNT, (200, 7)), (Reply(b"{}", 404), (404, None))])
def test_tokens_of_messages_are_counted_by_the_server_that_renders_them(ask, count, expected):
    client, _ = ask(Reply(b"{}", 500), count)
    response = client.post(f"{MESSAGES}/count_tokens", json=ASK)
    assert (response.status_code, response.json().get("input_tokens")) == expected
