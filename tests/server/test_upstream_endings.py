"""An upstream that fails, as a client of ours sees it: the documented ending, soon, and then all is well again."""

import time

import pytest

from headrace.engines.clocks import Clocked, Clocks
from headrace.engines.http import HttpTransport
from headrace.engines.pool import Pool
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.upstream import UpstreamEngine
from scripted_server import Reply, ScriptedServer, chunk, sse
from scripted_server import stream as upstream_stream
from wire_client import CHAT, HELLO, chunks_of, deltas

BOUND = 30  # seconds; the clocks below run out much sooner
# What must come does so in time, however busy the machine is.
PATIENT = {"first_token": 20, "idle": 2, "total": 4}
STREAM = upstream_stream("Hel", "lo")
HALF = STREAM[:2]


@pytest.fixture
def behind(serve):
    """Starts servers with these replies, and ours in front of them; gives a client and the servers."""
    started = []

    def start(*servers, **clocks):
        engines = []
        for replies in servers:
            started.append(ScriptedServer(*replies).__enter__())
            transport = HttpTransport(started[-1].url)
            protocol = Chat(DIALECTS["openai"], transport.source, model="theirs")
            clocked = Clocked(
                UpstreamEngine(transport, protocol), Clocks(**{"first_token": 2, "idle": 2, **clocks})
            )
            engines.append(clocked)
        return serve(Pool(engines)), started

    yield start
    for server in started:
        server.__exit__(None, None, None)


def ask(client, **fields):
    began = time.perf_counter()
    response = client.post(CHAT, json={**HELLO, "stream": True, **fields})
    assert time.perf_counter() - began < BOUND
    return response


def assert_well(client):
    """The next request works."""
    assert "".join(deltas(chunks_of(ask(client).content), "content")).strip() == "Hello"


BREAKS = {
    "cut": Reply(HALF, end="cut"),
    "ends early": Reply(HALF),
    "stalls": Reply([*HALF, 60.0]),
    "says garbage": Reply([*HALF, b"data: {\xff\xfe\n\n"]),
    "says garbage before a field": Reply([*HALF, 0.05, b"\xff" + sse(chunk("x")), *STREAM[2:]]),
    "says no JSON": Reply([*HALF, sse("oops")]),
    "reports an error": Reply([*HALF, sse({"error": {"message": "lost the GPU"}})]),
    "never stops": Reply([*HALF, *([sse(chunk("x")), 0.02] * 10_000)]),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_break_after_the_first_token_ends_with_network_error_and_usage(behind, how):
    client, _ = behind([BREAKS[how], Reply(STREAM)], **PATIENT)
    *said, last = chunks_of(ask(client).content)

    assert "".join(deltas(said, "content")).startswith("Hello")
    assert last["choices"][0]["finish_reason"] == "network_error"
    assert set(last["usage"]) >= {"prompt_tokens", "completion_tokens"}
    assert_well(client)


def test_the_usage_of_a_break_is_what_was_said_and_the_prompt_as_far_as_the_server_told_of_it(behind):
    first, second = (
        sse(chunk(text, usage={"prompt_tokens": 7, "completion_tokens": number}))
        for number, text in enumerate(("Hel", "lo"), 1)
    )
    client, _ = behind([Reply([first, second], end="cut")])
    usage = chunks_of(ask(client).content)[-1]["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, 2)


@pytest.mark.parametrize("how", BREAKS)
def test_a_whole_answer_that_breaks_is_an_error_and_no_half_answer(behind, how):
    client, _ = behind([BREAKS[how], Reply(STREAM)], **PATIENT)
    response = ask(client, stream=False)

    assert (response.status_code, response.json()["error"]["code"]) == (500, "1234")
    assert_well(client)


REFUSALS = {
    "says nothing": (Reply([60.0]), 504, "1234"),
    "says nothing but comments": (Reply([b": on\n\n"], end="hold"), 504, "1234"),
    "500": (Reply(b'{"error":{"message":"CUDA"}}', 500), 500, "1234"),
    "HTML": (Reply(b"<html>Bad gateway</html>", 502, {"content-type": "text/html"}), 500, "1234"),
    "200 with an error": (Reply(b'{"error":{"message":"no"}}', 200), 500, "1234"),
    "200 with HTML": (Reply(b"<html>Log in</html>", 200, {"content-type": "text/html"}), 500, "1234"),
    "200 and nothing": (Reply([]), 500, "1234"),
    "400": (Reply(b'{"error":{"message":"no such field"}}', 400), 400, "1214"),
    "503": (Reply(b"starting", 503), 503, "1221"),
}


@pytest.mark.parametrize("how", REFUSALS)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_failure_before_the_first_token_is_a_status_and_never_a_stream(behind, how, streamed):
    reply, status, code = REFUSALS[how]
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


@pytest.mark.parametrize("how", [how for how in REFUSALS if how != "400"])
def test_another_server_answers_for_one_that_fails_before_its_first_byte(behind, how):
    client, _ = behind([REFUSALS[how][0]], [Reply(STREAM)])

    for _ in range(3):
        assert_well(client)


@pytest.mark.parametrize("how", BREAKS)
def test_no_other_server_is_asked_after_the_first_byte(behind, how):
    client, (_, other) = behind([BREAKS[how]], [Reply(STREAM)], **PATIENT)
    chunks = chunks_of(ask(client).content)

    assert chunks[-1]["choices"][0]["finish_reason"] == "network_error"
    assert other.asked == []
