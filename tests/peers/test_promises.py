"""What docs/engines.md promises about vLLM and SGLang, on real ones."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice

import httpx2
import pytest

from peer_servers import PEERS, SglangServer
from wire_client import CHAT, chunks_of, deltas

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "the city"}},
            "required": ["location"],
        },
    },
}
PROMPTS = [
    ("Write a poem about spring", {}),
    ("写一首关于春天的诗", {}),
    ("Hello!", {}),
    ("你是谁？", {}),
    ("Write a poem about the sea", {"thinking": {"type": "disabled"}}),
    ("What is the weather in Lisbon?", {"tools": [WEATHER]}),
    ("北京天气怎么样", {"tools": [WEATHER]}),
    ("北京天气怎么样", {"tools": [WEATHER], "thinking": {"type": "disabled"}}),
    ("Thank you", {"tools": [WEATHER]}),
]
POEM = PROMPTS[0][0]


def body(question, **fields):
    message = {"role": "user", "content": question}
    return {"model": "glm-4.6", "messages": [message], "do_sample": False, "stream": True, **fields}


def read(client, question, **fields):
    """Reasoning, content, calls, finish reason and usage of a stream."""
    response = client.post(CHAT, json=body(question, **fields))
    assert response.status_code == 200, response.text
    chunks = chunks_of(response.content)
    calls = [call for calls in deltas(chunks, "tool_calls") for call in calls]
    return (
        "".join(deltas(chunks, "reasoning_content")),
        "".join(deltas(chunks, "content")),
        [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls],
        chunks[-1]["choices"][0]["finish_reason"],
        chunks[-1]["usage"],
    )


def counts(usage):
    return usage["prompt_tokens"], usage["completion_tokens"]


def error(client, question="Hello", **fields):
    response = client.post(CHAT, json=body(question, **fields))
    return response.status_code, response.json()["error"]["code"]


def test_it_is_detected_with_its_context(detected):
    assert (detected.context, detected.format.name) == (4096, "glm-4.6")
    assert detected.template is not None


@pytest.mark.parametrize(("question", "fields"), PROMPTS, ids=[str(number) for number in range(len(PROMPTS))])
def test_a_greedy_answer_is_that_of_llama_cpp(llama, either, question, fields):
    expected, got = (read(client, question, **fields) for client in (llama, either))

    assert got[:4] == expected[:4]
    assert counts(got[4]) == counts(expected[4])


def test_an_answer_without_max_tokens_is_complete(either):
    assert read(either, POEM)[3] == "stop"


def test_a_limit_beyond_the_context_is_reduced(either):
    assert read(either, POEM, max_tokens=65_536)[3] == "stop"


def test_a_limit_that_is_reached_is_length(either):
    *_, reason, usage = read(either, POEM, max_tokens=7)

    assert (reason, usage["completion_tokens"]) == ("length", 7)


@pytest.mark.parametrize("fields", [{}, {"max_tokens": 3000}])
def test_a_full_context_has_its_own_finish_reason(either, fields):
    *_, reason, usage = read(either, "spring " * 1700, ignore_eos=True, **fields)

    assert usage["total_tokens"] >= 4095
    assert reason == "model_context_window_exceeded"


def test_a_prompt_that_is_too_long_is_an_error_with_its_code(either):
    assert error(either, "x " * 9000) == (400, "1261")


@pytest.mark.parametrize("fields", [{"min_p": 2.0}, {"logit_bias": {"99999999": 1}}])
def test_a_value_that_it_rejects_is_the_clients_error(either, fields):
    status, code = error(either, **fields)

    assert (status, code) == (400, "1214")


def test_answers_at_the_same_time_are_those_of_one_after_another(completions):
    questions = [question for question, fields in PROMPTS if not fields] * 3
    alone = {question: read(completions, question)[:4] for question in set(questions)}
    with ThreadPoolExecutor(len(questions)) as pool:
        together = list(pool.map(lambda question: read(completions, question)[:4], questions))

    assert together == [alone[question] for question in questions]


def test_arguments_stream_as_they_are_generated(completions):
    fields = {"tools": [WEATHER], "tool_stream": True}
    chunks = chunks_of(completions.post(CHAT, json=body(PROMPTS[5][0], **fields)).content)
    arguments = [call["function"]["arguments"] for calls in deltas(chunks, "tool_calls") for call in calls]

    assert len(arguments) > 3
    assert json.loads("".join(arguments)) == {"location": "Lisbon"}


def test_a_stop_string_ends_the_answer_before_it(either):
    _, content, _, reason, _ = read(either, POEM, stop=["white"], thinking={"type": "disabled"})

    assert reason == "stop"
    assert content
    assert "white" not in content


def test_a_seed_repeats_an_answer(either):
    if isinstance(either.upstream, SglangServer):
        pytest.skip("SGLang ignores seeds without --enable-deterministic-inference")
    first, second = (
        read(either, "Hello!", do_sample=True, temperature=1.0, seed=7, max_tokens=40) for _ in range(2)
    )

    assert first[:2] == second[:2]


SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Rome", "Oslo"]}}, "required": ["city"]}


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
def test_a_schema_is_enforced_after_the_thinking(completions, thinking):
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    reasoning, content, _, reason, _ = read(
        completions, "hello", response_format=form, thinking={"type": thinking}
    )

    assert bool(reasoning) == (thinking == "enabled")
    assert json.loads(content)["city"] in ("Rome", "Oslo")
    assert reason == "stop"


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "get_weather"}}], ids=["required", "one"]
)
def test_a_call_is_forced_after_the_thinking(completions, thinking, choice):
    _, content, calls, reason, _ = read(
        completions,
        "hello",
        tools=[WEATHER],
        tool_choice=choice,
        parallel_tool_calls=False,
        thinking={"type": thinking},
    )

    assert [name for name, _ in calls] == ["get_weather"]
    assert list(calls[0][1]) == ["location"]
    assert (content, reason) == ("", "tool_calls")


@pytest.mark.parametrize("frames", [1, 20])
def test_a_client_that_leaves_frees_the_server(either, frames):
    with either.stream("POST", CHAT, json=body(POEM, ignore_eos=True, max_tokens=3000)) as response:
        pieces = response.iter_bytes()
        for _ in range(frames):
            next(pieces)
    assert either.upstream.wait_until_idle() < 10


def test_a_cancelled_turn_counts_the_tokens_of_its_prompt(completions, peer):
    headers = {"x-headrace-resumable": "1"}
    with completions.stream(
        "POST", CHAT, json=body(POEM, ignore_eos=True, max_tokens=3000), headers=headers
    ) as response:
        received = b""
        pieces = response.iter_bytes()
        while received.count(b"data:") < 5:
            received += next(pieces)
        id = json.loads(received.partition(b"data: ")[2].partition(b"\n")[0])["id"]
        completions.delete(f"{CHAT}/{id}")
        received += b"".join(pieces)
    usage = chunks_of(received)[-1]["usage"]

    assert usage["prompt_tokens"] == 10
    assert usage["completion_tokens"] >= 5
    peer.wait_until_idle()


def test_greedy_answers_are_the_same_through_fifty_kills_of_the_server(peer, completions, tmp_path):
    kills = 0
    for number, (question, fields) in enumerate(cycle(PROMPTS)):
        request = body(question, tool_stream=True, **fields)
        expected = deltas_of(chunks_of(completions.post(CHAT, json=request).content))
        frames = random.Random(number).choices(range(1, 16), k=9)
        got, killed = read_through_kills(frames, peer, tmp_path / f"{number}.db", request)
        assert texts_of(got) == texts_of(expected), (question, frames)
        kills += killed
        if kills >= 50:
            break


def deltas_of(chunks):
    return [chunk["choices"][0]["delta"] for chunk in chunks]


def texts_of(deltas):
    """Reasoning, content and arguments of a stream."""
    calls = [call["function"]["arguments"] for delta in deltas for call in delta.get("tool_calls", ())]
    texts = ["".join(delta.get(key) or "" for delta in deltas) for key in ("reasoning_content", "content")]
    return [*texts, "".join(calls)]


def read_through_kills(frames, peer, store, request):
    """The deltas of an answer whose server is killed after each number of frames; how often it was killed."""
    command = [
        *(sys.executable, "-m", "headrace", "serve", "--port", "0", "--store", f"sqlite:{store}"),
        *("--upstream", peer.url, "--engine", "completions", "--chat-template", str(PEERS / "hf")),
    ]
    received, last, starts = [], -1, 0
    with httpx2.Client(trust_env=False, timeout=120) as client:
        for limit in (*frames, sys.maxsize):
            starts += 1
            server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            url = f"{server.stdout.readline().split()[2]}/chat/completions"
            if received:
                headers = {"last-event-id": str(last)}
                response = client.stream("GET", f"{url}/{received[0]['id']}", headers=headers)
            else:
                headers = {"x-headrace-resumable": "1"}
                response = client.stream("POST", url, json=request, headers=headers)
            with response as opened:
                assert opened.status_code == 200
                for number, chunk in islice(numbered_chunks(opened), limit):
                    received.append(chunk)
                    last = number
                server.kill()
            server.wait()
            server.stdout.close()
            if received[-1]["choices"][0].get("finish_reason"):
                break
    return deltas_of(received), starts - 1


def numbered_chunks(response):
    number = -1
    for line in response.iter_lines():
        if line.startswith("id:"):
            number = int(line.removeprefix("id:"))
        elif line.startswith("data: {"):
            yield number, json.loads(line.removeprefix("data: "))
