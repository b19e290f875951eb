"""The server with the embedded model, over HTTP."""

import json

import httpx2
import pytest

import response_client as responses
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from wire_client import CHAT, chunks_of, deltas

MARKUP = ["<think>", "<tool_call>", "<arg_key>", "\ufffd"]
SEED_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "获取指定地点当前的天气情况",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "城市,例如:北京、上海"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    },
}


@pytest.fixture(scope="module")
def client():
    settings = Settings()
    with (
        LocalServer(App(ModelRegistry([load_model("", LlamaSettings())]), settings)) as server,
        httpx2.Client(base_url=server.url, trust_env=False, timeout=60) as client,
    ):
        yield client


def ask(client, question, **fields):
    body = {"model": "glm-4.6", "messages": [{"role": "user", "content": question}], "seed": 7, **fields}
    response = client.post(CHAT, json=body)
    assert response.status_code == 200, response.text
    return response


def stream(client, question, **fields):
    return chunks_of(ask(client, question, stream=True, **fields).content)


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
def test_the_poem_of_the_streaming_page(client, thinking):
    chunks = stream(client, "Write a poem about spring", thinking={"type": thinking})

    assert bool(deltas(chunks, "reasoning_content")) == (thinking == "enabled")
    assert "".join(deltas(chunks, "content")).strip().count("\n") >= 3
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 20


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
def test_the_call_of_the_tool_stream_page(client, thinking):
    fields = {"tools": [SEED_TOOL], "tool_stream": True, "thinking": {"type": thinking}}
    chunks = stream(client, "北京天气怎么样", **fields)
    calls = [call for calls in deltas(chunks, "tool_calls") for call in calls]

    assert calls[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert len(calls) > 2  # the arguments came in pieces
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"location": "北京"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_a_completion_is_the_folded_stream_for_the_same_seed(client):
    chunks = stream(client, "Write a poem about autumn")
    message = ask(client, "Write a poem about autumn").json()["choices"][0]["message"]

    assert message["content"] == "".join(deltas(chunks, "content"))
    assert message["reasoning_content"] == "".join(deltas(chunks, "reasoning_content"))


def test_the_answer_to_a_tool_result_contains_it(client):
    arguments = '{"location": "北京"}'
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    history = [
        {"role": "user", "content": "北京天气怎么样"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "晴，25℃"},
    ]
    body = {"model": "glm-4.6", "messages": history, "tools": [SEED_TOOL], "do_sample": False}
    answer = client.post(CHAT, json=body).json()["choices"][0]

    assert answer["finish_reason"] == "stop"
    assert "25" in answer["message"]["content"]


@pytest.mark.parametrize(
    "question", ["你好", "写一首关于月亮的诗", "🦜🧊 龘꧁꧂ 是什么？", "What is a 🪆?", "北京天气怎么样"]
)
@pytest.mark.parametrize("limit", [None, 3, 11, 25])
def test_no_markup_and_no_incomplete_character_is_sent(client, question, limit):
    chunks = stream(client, question, tools=[SEED_TOOL], tool_stream=True, max_tokens=limit, temperature=1.0)
    shown = deltas(chunks, "content") + deltas(chunks, "reasoning_content")

    assert not [mark for mark in MARKUP if mark in "".join(shown)]


def test_the_error_for_a_prompt_of_two_megabytes_has_its_length(client):
    body = {"model": "glm-4.6", "messages": [{"role": "user", "content": "x " * 1_000_000}], "stream": True}
    response = client.post(CHAT, json=body)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "1261")
    assert "4096" in response.json()["error"]["message"]


def test_a_response_calls_the_tool_and_one_with_a_schema_conforms(client):
    tool = {"type": "function", **SEED_TOOL["function"]}
    called = responses.stream(client, input="北京天气怎么样", temperature=0, tools=[tool]).response
    schema = {
        "type": "object",
        "properties": {"season": {"enum": ["spring", "autumn"]}},
        "required": ["season"],
        "additionalProperties": False,
    }
    format = {"type": "json_schema", "name": "answer", "schema": schema}
    answer = responses.stream(
        client, input="Which season is it?", reasoning={"effort": "none"}, text={"format": format}
    )

    assert [item["type"] for item in called["output"]] == ["reasoning", "function_call"]
    assert json.loads(called["output"][1]["arguments"])["location"] == "北京"
    assert json.loads(responses.text_of(answer.response))["season"] in ("spring", "autumn")


def test_a_stop_string_is_reported_to_clients_of_the_messages_api(client):
    body = {
        "model": "glm-4.6",
        "max_tokens": 100,
        "temperature": 0,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    text = client.post("/v1/messages", json=body).json()["content"][0]["text"]
    stop = text[len(text) // 2 :][:2]
    stopped = client.post("/v1/messages", json={**body, "stop_sequences": [stop, "none"]}).json()

    assert (stopped["stop_reason"], stopped["stop_sequence"]) == ("stop_sequence", stop)
    assert stopped["content"][0]["text"] == text.partition(stop)[0]
