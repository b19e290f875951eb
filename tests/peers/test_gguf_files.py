"""Foreign GGUF files in this process: SmolLM2-135M-Instruct and Gemma 3 270M of PyPI, which `make peers` installs.

The family of the first one is unknown, and the second one is a base model. HEADRACE_GGUF=FILE adds another one.
"""

import json
import os
from pathlib import Path

import httpx2
import pytest

from headrace.engines.llama_loading import physical_cores
from headrace.models.loading import load_model
from headrace.models.settings import LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings
from peer_answers import WEATHER, body, deltas_of, read, read_through_kills, texts_of
from peer_servers import PEERS, smollm2
from wire_client import CHAT, chunks_of

FILES = [smollm2(), PEERS / "gemma.gguf", *map(Path, filter(None, [os.environ.get("HEADRACE_GGUF")]))]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 40}, "year": {"type": "integer"}},
    "required": ["city", "year"],
}
POEM = "Write a poem about spring"


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def model(path):
    return load_model("glm-4.6", LlamaSettings(path=path, slots=1, context=2048))


@pytest.fixture(scope="module")
def client(model):
    with (
        LocalServer(App(ModelRegistry([model]), Settings())) as server,
        httpx2.Client(base_url=server.url, trust_env=False, timeout=120) as client,
    ):
        yield client


def test_its_threads_are_the_physical_cores(model):
    assert model.resources == f"1 slots of 2048 tokens, threads: {physical_cores()}"


def test_a_poem_streams_token_by_token(client):
    chunks = chunks_of(client.post(CHAT, json=body(POEM, max_tokens=40)).content)

    assert len(chunks) > 20
    assert chunks[-1]["usage"]["completion_tokens"] == 40
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_a_question_has_the_same_answer_at_once(client):
    question = "What is the capital of France?"
    _, content, _, reason, usage = read(client, question, max_tokens=20)
    answer = client.post(CHAT, json=body(question, max_tokens=20, stream=False)).json()

    assert content
    assert answer["choices"][0]["message"]["content"] == content
    assert answer["choices"][0]["finish_reason"] == reason
    assert answer["usage"]["completion_tokens"] == usage["completion_tokens"]


def test_a_schema_of_two_fields_is_enforced(client):
    form = {"type": "json_schema", "json_schema": {"name": "games", "schema": SCHEMA}}
    _, content, _, reason, _ = read(client, "Where were the Olympic games of 2004?", response_format=form)
    found = json.loads(content)

    assert reason == "stop"
    assert {key: type(value) for key, value in found.items()} == {"city": str, "year": int}


def test_a_call_is_forced_and_its_result_can_be_sent(client):
    fields = {"tools": [WEATHER], "parallel_tool_calls": False, "max_tokens": 60}
    question = "What is the weather in Lisbon?"
    _, content, calls, reason, _ = read(client, question, tool_choice="required", **fields)
    ((name, arguments),) = calls
    call = {"id": "1", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "Sunny, 21 degrees."},
    ]

    assert (content, name, list(arguments), reason) == ("", "get_weather", ["location"], "tool_calls")
    assert client.post(CHAT, json=body("", messages=messages, **fields)).status_code == 200


def test_a_cancelled_turn_frees_the_only_slot(client):
    request = body(POEM, ignore_eos=True, max_tokens=1500)
    with client.stream("POST", CHAT, json=request, headers={"x-headrace-resumable": "1"}) as response:
        received, pieces = b"", response.iter_bytes()
        while received.count(b"data:") < 5:
            received += next(pieces)
        id = json.loads(received.partition(b"data: ")[2].partition(b"\n")[0])["id"]
        client.delete(f"{CHAT}/{id}")
        received += b"".join(pieces)
    usage = chunks_of(received)[-1]["usage"]

    assert 5 <= usage["completion_tokens"] < 1500
    assert usage["prompt_tokens"] > 0
    assert read(client, "Hello", max_tokens=1)[3] == "length"


def test_a_greedy_answer_continues_over_killed_servers(path, client, tmp_path):
    request = body(POEM, max_tokens=40)
    expected = deltas_of(chunks_of(client.post(CHAT, json=request).content))
    options = ["--model", path, "--slots", 1, "--context", 2048, "--aliases", "glm-4.6"]
    got, kills = read_through_kills(options, [3, 17], tmp_path / "turns.db", request)

    assert kills == 2
    assert texts_of(got) == texts_of(expected)
