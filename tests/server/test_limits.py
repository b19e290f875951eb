"""What clients see of the limits: statuses, `Retry-After`, comments and metrics."""

import asyncio
import json
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

import zai
from headrace.events import Finish, Text, TokenUsage
from headrace.limits import LimitSettings
from headrace.sse import DONE
from headrace.turns import TurnSettings
from listening import GeneratedEngine
from waiting import until
from wire_client import CHAT, HELLO, OPENAI_CHAT, chunks_of, deltas, events_of

KEY = {"x-api-key": "alice.1"}
ADMIN = {"x-api-key": "admin.1"}
ASYNC = CHAT.replace("chat", "async/chat")
HOLD = {**HELLO, "messages": [{"role": "user", "content": "hold"}], "stream": True}


class Holding(GeneratedEngine):
    """Answers "Hi", but never ends the answer to "hold"."""

    async def generate(self, generation):
        yield [Text("Hi")]
        if "hold" in generation.prompt:
            await asyncio.Event().wait()
        yield [Finish("stop", TokenUsage(5, 1))]


@pytest.fixture
def limited(serve):
    """Serves with limits; the client has a key."""

    def start(turns=TurnSettings(), keep_alive_interval=8.0, **limits):  # noqa: B008
        settings = LimitSettings(**{"queue_timeout": 0.05, **limits})
        client = serve(
            Holding(),
            api_keys=("alice.1", "admin.1"),
            limits=settings,
            turns=turns,
            keep_alive_interval=keep_alive_interval,
        )
        client.headers.update(KEY)
        return client

    return start


@contextmanager
def held(client):
    """A turn that runs meanwhile."""
    with client.stream("POST", CHAT, json=HOLD) as response:
        assert response.status_code == 200
        received = response.iter_raw()  # the connection is closed with it
        next(received)
        yield


def metrics(client):
    return {
        (sample.name, sample.labels.get("code")): sample.value
        for family in text_string_to_metric_families(client.get("/metrics", headers=ADMIN).text)
        for sample in family.samples
    }


BITES = {
    "max_in_flight": ({}, 429, "1305"),
    "max_in_flight_per_model": ({}, 429, "1305"),
    "max_in_flight_per_key": ({}, 429, "1302"),
    "requests_per_minute": ({}, 429, "1303"),
    "tokens_per_5h": ({}, 400, "1261"),
    "reserved_tokens": ({"tokens_per_5h": 5}, 200, None),
    "max_queued": ({"max_in_flight": 1, "queue_timeout": 60.0}, 429, "1305"),
    "queue_timeout": ({"max_in_flight": 1}, 429, "1305"),
}


@pytest.mark.parametrize("option", LimitSettings.__struct_fields__)
def test_every_limit_bites_at_its_smallest_value(limited, option):
    others, status, code = BITES[option]
    smallest = 0.01 if option == "queue_timeout" else 1
    client = limited(**{**others, option: smallest})
    if code in ("1302", "1303", "1305"):
        with held(client):
            if option == "max_queued":
                waiting = threading.Thread(target=client.post, args=(CHAT,), kwargs={"json": HELLO})
                waiting.start()
                until(lambda: metrics(client)["headrace_queue_length", None] == 1)
            answer = client.post(CHAT, json=HELLO)
            assert metrics(client)["headrace_turns_in_flight", None] == 1
        if option == "max_queued":
            waiting.join()
        assert int(answer.headers["retry-after"]) >= 1
    else:
        answer = client.post(CHAT, json=HELLO)
    assert answer.status_code == status, answer.text
    if code:
        assert answer.json()["error"]["code"] == code
        assert metrics(client)["headrace_refused_total", code] == 1
    until(lambda: metrics(client)["headrace_turns_in_flight", None] == 0)
    assert metrics(client)["headrace_queue_length", None] == 0


def test_the_page_on_limits_has_each_option_with_its_code():
    page = (Path(__file__).parents[2] / "docs" / "limits.md").read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    codes = {cells[1].strip(" `"): cells[-2] for cells in rows}
    assert codes.keys() >= BITES.keys()
    for option, (others, _, code) in BITES.items():
        assert others or code in codes[option], option


def test_a_reservation_that_exceeds_the_window_is_refused(limited):
    client = limited(tokens_per_5h=1000)
    refused = client.post(CHAT, json=HELLO)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "1214")
    assert "max_tokens" in refused.json()["error"]["message"]
    assert "retry-after" not in refused.headers
    assert client.post(CHAT, json={**HELLO, "max_tokens": 50}).status_code == 200


@pytest.mark.parametrize("stream", [True, False])
def test_a_turn_holds_its_slot_until_it_ends_and_the_next_one_waits(limited, stream):
    client = limited(max_in_flight_per_key=1, queue_timeout=60.0)
    with held(client):
        answers = []
        body = {**HELLO, "stream": stream}
        waiting = threading.Thread(target=lambda: answers.append(client.post(CHAT, json=body)))
        waiting.start()
        until(lambda: metrics(client)["headrace_queue_length", None] == 1)
        time.sleep(0.05)
        assert not answers
    waiting.join()
    assert answers[0].status_code == 200
    until(lambda: metrics(client)["headrace_queue_seconds_sum", None] >= 0.05)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_turn_in_the_store_has_retry_after_too(limited, store, tmp_path):
    turns = TurnSettings(store="memory" if store == "memory" else f"sqlite:{tmp_path}/turns.db")
    client = limited(turns, max_in_flight_per_key=1)
    with held(client):
        answer = client.post(CHAT, json=HELLO, headers={"x-headrace-resumable": "1"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "1302")
        assert int(answer.headers["retry-after"]) >= 1

        id = client.post(ASYNC, json=HELLO).json()["id"]
        path = f"{ASYNC.replace('chat/completions', '').replace('async/', 'async-result/')}{id}"
        until(lambda: client.get(path).json()["task_status"] == "FAIL")
        poll = client.get(path)
        assert poll.json()["error"]["code"] == "1302"
        assert int(poll.headers["retry-after"]) >= 1


@pytest.fixture
def quick(monkeypatch):
    """The head of a response, and comments on the queue, come soon."""
    monkeypatch.setattr("headrace.server.stream.FIRST_BYTES", 0.02)
    monkeypatch.setattr("headrace.server.stream.PROGRESS_INTERVAL", 0.02)


@pytest.mark.usefixtures("quick")
def test_a_stream_that_waits_has_comments_with_its_position(limited):
    client = limited(max_in_flight=1, queue_timeout=60.0)
    with ExitStack() as running:
        running.enter_context(held(client))
        with client.stream("POST", CHAT, json={**HELLO, "stream": True}) as response:
            received = response.iter_raw()
            assert next(received) == b": queued 1\n"
            running.close()
            body = b"".join(received)
    assert "".join(deltas(chunks_of(body), "content")) == "Hi"


@pytest.mark.usefixtures("quick")
def test_the_sdk_ignores_the_comments(limited):
    client = limited(max_in_flight=1, queue_timeout=60.0)
    with ExitStack() as running:
        running.enter_context(held(client))
        threading.Timer(0.3, running.close).start()
        sdk = zai.ZaiClient(api_key="alice.1", base_url=f"{client.base_url}/api/paas/v4")
        stream = sdk.chat.completions.create(**{**HELLO, "stream": True})
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hi"


@pytest.mark.interpreted
@pytest.mark.usefixtures("quick")
def test_a_stream_that_has_waited_for_too_long_ends_with_the_reason(limited):
    client = limited(max_in_flight_per_key=1, queue_timeout=0.4)
    with held(client):
        plain = client.post(CHAT, json={**HELLO, "stream": True})
        assert chunks_of(plain.content)[-1]["choices"][0]["finish_reason"] == "network_error"
        error, *_, done = events_of(client.post(OPENAI_CHAT, json={**HELLO, "stream": True}).content)
        reason = json.loads(error.data)["error"]
        assert (reason["code"], reason["type"], done.data) == ("1302", "rate_limit_error", DONE)


def test_a_client_that_disconnects_leaves_the_queue(limited):
    client = limited(max_in_flight=1, queue_timeout=60.0)
    with held(client):
        with pytest.raises(httpx2.TimeoutException):
            client.post(CHAT, json=HELLO, timeout=0.2)
        until(lambda: metrics(client)["headrace_queue_length", None] == 0)
    assert client.post(CHAT, json=HELLO).status_code == 200


def test_without_limits_turns_are_counted_all_the_same(limited):
    client = limited()
    with held(client):
        assert client.post(CHAT, json=HELLO).status_code == 200
        assert metrics(client)["headrace_turns_in_flight", None] == 1


def test_the_quota_of_a_key_is_what_the_limits_count(limited):
    client = limited(tokens_per_5h=10_000, requests_per_minute=10)
    client.post(CHAT, json=HELLO)
    until(lambda: metrics(client)["headrace_turns_in_flight", None] == 0)
    tokens, requests = client.get("/api/monitor/usage/quota/limit").json()["data"]["limits"]
    assert (tokens["currentValue"], requests["currentValue"]) == (6, 1)
    assert 0 < requests["nextResetTime"] / 1000 - time.time() <= 61
    assert 0 < tokens["nextResetTime"] / 1000 - time.time() <= 1.2 * 5 * 3600


def test_without_api_keys_the_limits_of_a_key_are_those_of_all_requests(serve):
    limits = LimitSettings(max_in_flight_per_key=1, queue_timeout=0.05)
    client = serve(Holding(), limits=limits)
    with held(client):
        assert client.post(CHAT, json=HELLO).json()["error"]["code"] == "1302"


@pytest.mark.parametrize("on_store_error", ["fail", "continue"])
def test_while_the_store_is_unavailable_no_limited_turn_starts(limited, on_store_error, tmp_path, caplog):
    turns = TurnSettings(
        store=f"sqlite:{tmp_path}/missing/turns.db", store_retry_timeout=0.0, on_store_error=on_store_error
    )
    answer = limited(turns, max_in_flight=1).post(CHAT, json=HELLO)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "1221")
    assert int(answer.headers["retry-after"]) >= 1
    assert str(tmp_path) not in answer.text
    assert "limit --" not in caplog.text  # none was reached
    assert limited(turns).post(CHAT, json=HELLO).status_code == 200
