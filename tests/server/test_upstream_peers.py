"""Real servers behind ours: llama.cpp's own over HTTP, and another Headrace. All on the embedded model."""

import json
import signal
import subprocess
import sys

import httpx2
import pytest

from headrace.configuration import ModelOptions
from headrace.configuration.discovery import discover_models
from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings, CompletionsSettings, LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from headrace_tiny import model_path
from llama_cpp_server import LlamaCppServer
from wire_client import CHAT, WEATHER, chunks_of, deltas

POEM = "Write a poem about spring"
CALL = {"tools": [WEATHER], "tool_stream": True}
SEED_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "获取指定地点当前的天气情况",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "城市,例如:北京、上海"}},
            "required": ["location"],
        },
    },
}


@pytest.fixture(scope="module")
def llama_cpp():
    with LlamaCppServer() as server:
        yield server


def front(name, settings):
    return App(ModelRegistry([load_model(name, settings)]), Settings())


@pytest.fixture(scope="module")
def clients(llama_cpp):
    """Start each server on the same model; return a client for each."""
    url = (f"{llama_cpp.url}/v1",)
    completions = CompletionsSettings(url=url, dialect="llama.cpp", chat_template=str(model_path()))
    chat = ChatSettings(url=url, dialect="llama.cpp")
    with LocalServer(App(ModelRegistry([load_model("", LlamaSettings())]), Settings())) as embedded:
        second = ChatSettings(url=(f"{embedded.url}/v1",), dialect="zai")
        apps = {
            "completions": front("glm-4.6", completions),
            "chat": front("glm-4.6", chat),
            "headrace": front("glm-4.6", second),
        }
        servers = {name: LocalServer(app).__enter__() for name, app in apps.items()}
        opened = {
            name: httpx2.Client(base_url=server.url, trust_env=False, timeout=60)
            for name, server in {**servers, "embedded": embedded}.items()
        }
        yield opened
        for client in opened.values():
            client.close()
        for server in servers.values():
            server.__exit__(None, None, None)


def ask(client, question, **fields):
    body = {
        "model": "glm-4.6",
        "messages": [{"role": "user", "content": question}],
        "do_sample": False,
        **fields,
    }
    response = client.post(CHAT, json=body)
    assert response.status_code == 200, response.text
    return response


def stream_of(client, question, **fields):
    """Return reasoning, content, names and arguments of the calls, finish reason and usage of a stream."""
    chunks = chunks_of(ask(client, question, stream=True, **fields).content)
    calls = [call for calls in deltas(chunks, "tool_calls") for call in calls]
    return (
        "".join(deltas(chunks, "reasoning_content")),
        "".join(deltas(chunks, "content")),
        [call["function"].get("name") for call in calls if "id" in call],
        "".join(call["function"]["arguments"] for call in calls),
        chunks[-1]["choices"][0]["finish_reason"],
        chunks[-1]["usage"],
    )


@pytest.mark.parametrize("way", ["completions", "chat", "headrace"])
@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
def test_the_same_weights_give_the_same_answer_through_every_engine(clients, way, thinking):
    fields = {"thinking": {"type": thinking}}
    expected = stream_of(clients["embedded"], POEM, **fields)
    got = stream_of(clients[way], POEM, **fields)

    # llama.cpp's own parser drops a line end around the thinking, Headrace's does not.
    assert [text.strip() for text in got[:2]] == [text.strip() for text in expected[:2]]
    assert bool(got[0]) == (thinking == "enabled")
    assert got[4] == expected[4] == "stop"
    assert got[5]["prompt_tokens"] == expected[5]["prompt_tokens"]
    assert got[5]["completion_tokens"] == expected[5]["completion_tokens"]


@pytest.mark.parametrize("way", ["completions", "headrace"])
def test_a_call_is_streamed(clients, way):
    fields = {"tools": [SEED_TOOL], "tool_stream": True}
    _, _, names, arguments, reason, usage = stream_of(clients[way], "北京天气怎么样", **fields)

    assert names == ["get_weather"]
    assert json.loads(arguments) == {"location": "北京"}
    assert (reason, usage) == stream_of(clients["embedded"], "北京天气怎么样", **fields)[4:]


def test_a_call_that_llama_cpp_parsed_is_streamed_in_the_format_of_the_api(clients):
    _, _, names, arguments, reason, _ = stream_of(clients["chat"], "北京天气怎么样", **CALL)

    assert names == ["get_weather"]
    assert json.loads(arguments)["location"] == "北京"
    assert reason == "tool_calls"


@pytest.mark.parametrize("way", ["completions", "chat", "headrace"])
def test_a_completion_is_the_fold_of_its_stream(clients, way):
    message = ask(clients[way], POEM).json()["choices"][0]["message"]
    reasoning, content, *_ = stream_of(clients[way], POEM)

    assert (message["reasoning_content"], message["content"]) == (reasoning, content)


def test_every_engine_counts_the_same_tokens(clients):
    for way in clients:
        *_, reason, usage = stream_of(clients[way], POEM, max_tokens=9)
        assert (reason, usage["completion_tokens"]) == ("length", 9)


def test_a_schema_constrains_the_raw_text_of_llama_server_without_thinking(clients):
    schema = {"enum": [7]}
    fields = {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
    held = ask(clients["completions"], "hello", thinking={"type": "disabled"}, **fields).json()["choices"][0]
    refused = clients["completions"].post(
        CHAT, json={"model": "glm-4.6", **fields, "messages": [{"role": "user", "content": "hi"}]}
    )

    assert held["message"]["content"].strip() == "7"
    assert refused.json()["error"]["code"] == "1212"
    assert 'thinking.type "disabled"' in refused.json()["error"]["message"]


@pytest.mark.parametrize("way", ["completions", "chat", "headrace"])
def test_a_prompt_that_is_too_long_is_an_error_with_its_code(clients, way):
    body = {"model": "glm-4.6", "messages": [{"role": "user", "content": "x " * 9000}], "stream": True}
    response = clients[way].post(CHAT, json=body)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "1261")
    assert "4096" in response.json()["error"]["message"]


def test_llama_server_is_detected_and_headrace_parses_its_output(llama_cpp):
    (found,) = discover_models(ModelOptions("", "here", {"url": llama_cpp.url}), {})

    assert found.options.values["engine"] == "completions"
    assert found.options.settings().format == "glm-4.6"
    assert found.options.name == "model"


def test_serve_upstream_prints_what_it_detected_and_serves(llama_cpp):
    command = [sys.executable, "-m", "headrace", "serve", "--port", "0", "--upstream", llama_cpp.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        banner = [server.stdout.readline() for _ in range(5)]
        url = banner[0].split()[2]
        body = {"model": "model", "messages": [{"role": "user", "content": POEM}]}
        answer = httpx2.post(f"{url}/chat/completions", json=body, trust_env=False, timeout=60)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) in (0, -signal.SIGTERM)

    assert answer.json()["choices"][0]["message"]["reasoning_content"]
    assert "is llama.cpp" in "".join(banner)
    assert "engine completions" in "".join(banner)


def test_an_upstream_that_is_killed_ends_the_stream_and_one_that_comes_back_answers():
    with LlamaCppServer() as first:
        settings = ChatSettings(url=(f"{first.url}/v1",), dialect="llama.cpp")
        with (
            LocalServer(front("glm-4.6", settings)) as server,
            httpx2.Client(base_url=server.url, trust_env=False, timeout=60) as client,
        ):
            body = {"model": "glm-4.6", "messages": [{"role": "user", "content": POEM}], "stream": True}
            endless = {**body, "ignore_eos": True, "max_tokens": 4000}
            with client.stream("POST", CHAT, json=endless) as response:
                pieces = response.iter_bytes()
                received = next(pieces)
                first.kill()
                received += b"".join(pieces)
            chunks = chunks_of(received)
            refused = client.post(CHAT, json=body)
            with LlamaCppServer(first.port):
                answered = client.post(CHAT, json=body)

    assert chunks[-1]["choices"][0]["finish_reason"] == "network_error"
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "1221")
    assert chunks_of(answered.content)[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("tools", [[], [{"name": "f", "input_schema": SEED_TOOL["function"]["parameters"]}]])
@pytest.mark.parametrize("name", ["embedded", "completions", "chat"])
def test_the_tokens_of_a_prompt_are_counted_as_they_are_used(clients, name, tools):
    message = {"role": "user", "content": POEM}
    body = {"model": "glm-4.6", "max_tokens": 20, "messages": [message], "tools": tools}
    counted = clients[name].post("/v1/messages/count_tokens", json=body).json()["input_tokens"]
    used = clients[name].post("/v1/messages", json=body).json()["usage"]

    assert counted == used["input_tokens"] + used["cache_read_input_tokens"] > 0
