"""Failures of an upstream: clients get the documented ending soon, and later requests succeed."""

import json
import time

import pytest

from headrace.engines.http import HttpTransport
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from scripted_server import Reply, ScriptedServer, chunk, sse
from scripted_server import stream as upstream_stream
from wire_client import CHAT, HELLO, chunks_of, deltas

BOUND = 30  # seconds; the timeouts below are much shorter
# Long enough for a busy machine.
LONGER_TIMEOUTS = {"first_token": 20, "idle": 2, "total": 4}
STREAM = upstream_stream("Hel", "lo")
HALF = STREAM[:2]


@pytest.fixture
def behind(serve):
    """Start upstreams with these replies and a Headrace in front of them; return a client and the upstreams."""
    started = []

    def start(*servers, **timeouts):
        engines = []
        for replies in servers:
            started.append(ScriptedServer(*replies).__enter__())
            transport = HttpTransport(started[-1].url)
            protocol = Chat(DIALECTS["openai"], transport.upstream, model="theirs")
            limited = TimeoutEngine(
                UpstreamEngine(transport, protocol), Timeouts(**{"first_token": 2, "idle": 2, **timeouts})
            )
            engines.append(limited)
        return serve(LoadBalancer(engines)), started

    yield start
    for server in started:
        server.__exit__(None, None, None)


def ask(client, **fields):
    began = time.perf_counter()
    response = client.post(CHAT, json={**HELLO, "stream": True, **fields})
    assert time.perf_counter() - began < BOUND
    return response


def assert_well(client):
    """Check that the next request succeeds."""
    assert "".join(deltas(chunks_of(ask(client).content), "content")).strip() == "Hello"


BREAKS = {
    "cut": Reply(HALF, end="cut"),
    "ends early": Reply(HALF),
    "stalls": Reply([*HALF, 60.0]),
    "garbage": Reply([*HALF, b"data: {\xff\xfe\n\n"]),
    "garbage before a field": Reply([*HALF, 0.05, b"\xff" + sse(chunk("x")), *STREAM[2:]]),
    "invalid JSON": Reply([*HALF, sse("oops")]),
    "reports an error": Reply([*HALF, sse({"error": {"message": "lost the GPU"}})]),
    "reports an error without the blank line": Reply(
        [*HALF, b'event: error\ndata: {"error": {"message": "lost the GPU"}}']
    ),
    "cuts off the last event": Reply([*HALF, STREAM[2][:-10]]),
    "never stops": Reply([*HALF, *([sse(chunk("x")), 0.02] * 10_000)]),
}


@pytest.mark.parametrize("how", BREAKS)
def test_an_upstream_failure_after_the_first_token_ends_with_network_error_and_usage(behind, how):
    client, _ = behind([BREAKS[how], Reply(STREAM)], **LONGER_TIMEOUTS)
    *chunks, last = chunks_of(ask(client).content)

    assert "".join(deltas(chunks, "content")).startswith("Hello")
    assert last["choices"][0]["finish_reason"] == "network_error"
    assert set(last["usage"]) >= {"prompt_tokens", "completion_tokens"}
    assert_well(client)


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", "application/json"])
def test_an_answer_that_is_no_stream_is_read_whatever_its_type(behind, content_type):
    message = {"role": "assistant", "content": "Hello"}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    client, _ = behind(
        [Reply([b"\n", 0.05, json.dumps(body).encode()], headers={"content-type": content_type})]
    )
    *chunks, last = chunks_of(ask(client).content)

    assert "".join(deltas(chunks, "content")) == "Hello"
    assert last["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_last_event_counts_although_it_lacks_its_blank_line(behind, end):
    finish = b"data: " + sse(chunk(finish_reason="length"))[6:].strip()
    client, _ = behind([Reply([*HALF, finish + end])])
    *chunks, last = chunks_of(ask(client).content)

    assert "".join(deltas(chunks, "content")) == "Hello"
    assert last["choices"][0]["finish_reason"] == "length"


def test_the_usage_after_a_failure_is_the_received_tokens_and_the_reported_prompt(behind):
    first, second = (
        sse(chunk(text, usage={"prompt_tokens": 7, "completion_tokens": number}))
        for number, text in enumerate(("Hel", "lo"), 1)
    )
    client, _ = behind([Reply([first, second], end="cut")])
    usage = chunks_of(ask(client).content)[-1]["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 2)


@pytest.mark.parametrize("how", BREAKS)
def test_an_upstream_failure_during_a_completion_is_an_error(behind, how):
    client, _ = behind([BREAKS[how], Reply(STREAM)], **LONGER_TIMEOUTS)
    response = ask(client, stream=False)

    assert (response.status_code, response.json()["error"]["code"]) == (500, "1234")
    assert_well(client)


REJECTIONS = {
    "silence": (Reply([60.0]), 504, "1234"),
    "only comments": (Reply([b": on\n\n"], end="hold"), 504, "1234"),
    "500": (Reply(b'{"error":{"message":"CUDA"}}', 500), 500, "1234"),
    "HTML": (Reply(b"<html>Bad gateway</html>", 502, {"content-type": "text/html"}), 500, "1234"),
    "200 with an error": (Reply(b'{"error":{"message":"no"}}', 200), 500, "1234"),
    "200 with HTML": (Reply(b"<html>Log in</html>", 200, {"content-type": "text/html"}), 500, "1234"),
    "200 and nothing": (Reply([]), 500, "1234"),
    "400": (Reply(b'{"error":{"message":"no such field"}}', 400), 400, "1214"),
    "503": (Reply(b"starting", 503), 503, "1221"),
}


@pytest.mark.parametrize("how", REJECTIONS)
@pytest.mark.parametrize("streamed", [True, False])
def test_an_upstream_failure_before_the_first_token_is_a_status(behind, how, streamed):
    reply, status, code = REJECTIONS[how]
    client, _ = behind([reply, Reply(STREAM)])
    response = ask(client, stream=streamed)

    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert response.headers["content-type"].startswith("application/json")
    assert_well(client)


def test_a_busy_upstream_is_429_and_its_retry_after(behind):
    client, _ = behind(
        [Reply(b'{"error":{"code":"1302","message":"slow down"}}', 429, {"retry-after": "7"}), Reply(STREAM)]
    )
    response = ask(client)

    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    assert response.json()["error"]["code"] == "1302"
    assert_well(client)


@pytest.mark.parametrize("how", [how for how in REJECTIONS if how != "400"])
def test_another_upstream_is_used_if_one_fails_before_its_first_byte(behind, how):
    client, _ = behind([REJECTIONS[how][0]], [Reply(STREAM)])

    for _ in range(3):
        assert_well(client)


@pytest.mark.parametrize("how", BREAKS)
def test_no_other_upstream_is_used_after_the_first_byte(behind, how):
    client, (_, other) = behind([BREAKS[how]], [Reply(STREAM)], **LONGER_TIMEOUTS)
    chunks = chunks_of(ask(client).content)

    assert chunks[-1]["choices"][0]["finish_reason"] == "network_error"
    assert other.asked == []
