"""What docs/engines.md promises about vLLM and SGLang, on real ones."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest

from peer_answers import WEATHER, body, deltas_of, read, read_through_kills, texts_of
from peer_servers import PEERS, SglangServer
from wire_client import CHAT, chunks_of, deltas

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

    prompt, completion = counts(expected[4])
    assert got[:4] == expected[:4]
    assert counts(got[4]) == (prompt + either.upstream.added_tokens(fields), completion)


def test_an_answer_without_max_tokens_is_complete(either):
    assert read(either, POEM)[3] == "stop"


def test_a_limit_beyond_the_context_is_reduced(either):
    assert read(either, POEM, max_tokens=65_536)[3] == "stop"


def test_a_limit_that_is_reached_is_length(either):
    *_, reason, usage = read(either, POEM, max_tokens=7)

    assert (reason, usage["completion_tokens"]) == ("length", 7)


@pytest.mark.parametrize("fields", [{}, {"max_tokens": 3000}])
def test_a_full_context_has_its_own_finish_reason(either, fields):
    *_, reason, usage = read(either, "spring " * 3800, ignore_eos=True, **fields)

    assert usage["total_tokens"] >= 4094  # of 4096; SGLang uses two less
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


@pytest.mark.timeout(3000)
def test_greedy_answers_are_the_same_through_fifty_kills_of_the_server(peer, completions, tmp_path):
    kills = 0
    for number, (question, fields) in enumerate(cycle(PROMPTS)):
        request = body(question, tool_stream=True, **fields)
        expected = deltas_of(chunks_of(completions.post(CHAT, json=request).content))
        frames = random.Random(number).choices(range(1, 16), k=9)
        options = ["--upstream", peer.url, "--engine", "completions", "--chat-template", PEERS / "hf"]
        got, killed = read_through_kills(options, frames, tmp_path / f"{number}.db", request)
        assert texts_of(got) == texts_of(expected), (question, frames)
        kills += killed
        if kills >= 50:
            break
