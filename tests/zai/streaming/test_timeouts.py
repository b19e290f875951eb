"""The time limits of a stream, which pings do not extend."""

import contextlib
import math
import socket
import threading
import time

import httpx2
import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, headrace, sse, stream
from zai import StreamTimeout
from zai.http.deadlines import Deadlines
from zai.testing import ReplayTransport

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
PINGS = [0.05, b": ping\n"] * 2000


def test_a_limit_counts_from_the_request_or_the_previous_event():
    deadlines = Deadlines(StreamTimeout(first_chunk=5, idle=2, total=10), now=100)

    assert (deadlines.remaining(104), deadlines.expiry_reason(104)) == (1, None)
    deadlines.pause()
    assert (deadlines.remaining(109), deadlines.expiry_reason(109)) == (1, None)
    deadlines.resume(106)
    assert (deadlines.remaining(107), deadlines.expiry_reason(107)) == (1, None)


@pytest.mark.parametrize(
    ("now", "passed"), [(105, "within 5 s"), (108, "for 2 s"), (110, "did not end within 10 s")]
)
def test_the_limit_that_has_passed_is_named(now, passed):
    deadlines = Deadlines(StreamTimeout(first_chunk=5, idle=2, total=10), now=100)
    if now > 105:
        deadlines.pause()
        deadlines.resume(106)

    assert passed in deadlines.expiry_reason(now)


def test_a_limit_stays_expired_when_an_event_comes_too_late():
    deadlines = Deadlines(StreamTimeout(idle=2), now=100)

    assert deadlines.remaining(102) == 0
    deadlines.pause()
    deadlines.resume(103)
    assert "for 2 s" in deadlines.expiry_reason(103)


def test_without_limits_nothing_expires():
    assert Deadlines(StreamTimeout(), now=0).remaining(1e9) == math.inf


def test_the_idle_limit_applies_to_the_first_event_without_a_limit_of_its_own():
    assert Deadlines(StreamTimeout(idle=3), now=1).remaining(1) == 3


# On a busy machine an event may come late: limits that must not expire before it are two seconds or more.
CASES = {
    "silence at first": (StreamTimeout(first_chunk=2, idle=30), [60.0], "within 2 s"),
    "pings at first": (StreamTimeout(first_chunk=2, idle=30), PINGS, "within 2 s"),
    "silence after a chunk": (StreamTimeout(first_chunk=30, idle=0.2), [sse(chunk("a")), 60.0], "0.2 s"),
    "pings after a chunk": (StreamTimeout(first_chunk=30, idle=0.2), [sse(chunk("a")), *PINGS], "0.2 s"),
    "chunks without end": (StreamTimeout(idle=30, total=2), [sse(chunk("a")), 0.01] * 3000, "within 2 s"),
    "silence and a total": (StreamTimeout(total=2), [sse(chunk("a")), 60.0], "within 2 s"),
}


@pytest.mark.parametrize(("limits", "body", "message"), CASES.values(), ids=CASES.keys())
def test_a_limit_that_passes_ends_the_stream_in_time(client_of, limits, body, message):
    with ScriptedServer(Reply(body)) as server:
        start = time.monotonic()
        answer = client_of(server).chat.completions.create(**ASK, stream_timeout=limits)
        with pytest.raises(zai.APITimeoutError, match=message) as caught:
            list(answer)
        assert 0.15 < time.monotonic() - start < 30
        assert [asked.method for asked in server.asked] == ["POST"]
    came = caught.value.partial.choices[0].message.content
    assert bool(came) == (sse(chunk("a")) in body)


@pytest.mark.parametrize(("limits", "body", "message"), CASES.values(), ids=CASES.keys())
async def test_asyncio_has_the_same_limits(async_client_of, limits, body, message):
    with ScriptedServer(Reply(body)) as server:
        start = time.monotonic()
        answer = await async_client_of(server).chat.completions.create(**ASK, stream_timeout=limits)
        with pytest.raises(zai.APITimeoutError, match=message):
            await answer.collect()
        assert 0.15 < time.monotonic() - start < 30


def test_the_first_limit_applies_to_the_head_too(client_of):
    with ScriptedServer(Reply(stream("a"), headers={"x-wait": "60"})) as server:
        start = time.monotonic()
        limits = StreamTimeout(first_chunk=0.2, idle=30)
        with pytest.raises(zai.APITimeoutError):
            client_of(server).chat.completions.create(**ASK, stream_timeout=limits)
        assert 0.15 < time.monotonic() - start < 30
        assert [asked.method for asked in server.asked] == ["POST", "DELETE"]


async def test_the_first_limit_applies_to_the_head_too_in_asyncio(async_client_of):
    with ScriptedServer(Reply(stream("a"), headers={"x-wait": "60"})) as server:
        start = time.monotonic()
        limits = StreamTimeout(first_chunk=0.2, idle=30)
        with pytest.raises(zai.APITimeoutError):
            await async_client_of(server).chat.completions.create(**ASK, stream_timeout=limits)
        assert 0.15 < time.monotonic() - start < 30
        assert [asked.method for asked in server.asked] == ["POST", "DELETE"]


STALLED = Reply([b"{", 60.0], status=500, headers={"content-length": "100"})
FIRST = StreamTimeout(first_chunk=2, idle=30, total=30)


def test_the_limits_apply_to_an_error_without_its_body(client_of):
    with ScriptedServer(STALLED) as server:
        start = time.monotonic()
        with pytest.raises(zai.APITimeoutError, match="within 2 s"):
            client_of(server).chat.completions.create(**ASK, stream_timeout=FIRST)
        assert time.monotonic() - start < 30


async def test_the_limits_apply_to_an_error_without_its_body_in_asyncio(async_client_of):
    with ScriptedServer(STALLED) as server:
        start = time.monotonic()
        with pytest.raises(zai.APITimeoutError, match="within 2 s"):
            await async_client_of(server).chat.completions.create(**ASK, stream_timeout=FIRST)
        assert time.monotonic() - start < 30


def test_the_limits_apply_to_a_head_that_comes_byte_by_byte():
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                while connection.send(b"H"):
                    time.sleep(0.05)

        threading.Thread(target=drip).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with zai.ZaiClient(api_key="a.b", base_url=url, max_retries=0) as client:
            start = time.monotonic()
            with pytest.raises(zai.APITimeoutError):
                client.chat.completions.create(**ASK, stream_timeout=StreamTimeout(total=0.5))
            assert time.monotonic() - start < 30


def test_a_retry_after_the_limit_is_not_waited_for(client_of):
    with ScriptedServer(Reply(status=429, headers={"retry-after": "20"})) as server:
        start = time.monotonic()
        with pytest.raises(zai.APIReachLimitError):
            client_of(server).chat.completions.create(**ASK, stream_timeout=StreamTimeout(total=10))
        assert time.monotonic() - start < 30


def test_the_wait_before_a_reconnect_ends_with_the_limit(client_of):
    with ScriptedServer(headrace([b"retry: 20000\n\n", sse(chunk("a"), id=0)], end="cut")) as server:
        start = time.monotonic()
        with pytest.raises(zai.APITimeoutError, match="did not end within 2 s") as caught:
            client_of(server).chat.completions.create(**ASK, stream_timeout=StreamTimeout(total=2)).collect()
        assert time.monotonic() - start < 30
    assert caught.value.partial.choices[0].message.content == "a"


@pytest.mark.parametrize("limits", [StreamTimeout(first_chunk=30, idle=0.2), StreamTimeout(total=2)])
def test_a_limit_applies_without_a_connection_to_interrupt(limits):
    transport = ReplayTransport([sse(chunk("a")), 2.5, *stream("b")], timed=True)
    with zai.ZaiClient(api_key="a.b", http_client=httpx2.Client(transport=transport)) as client:
        with pytest.raises(zai.APITimeoutError) as caught:
            client.chat.completions.create(**ASK, stream_timeout=limits).collect()
    assert caught.value.partial.choices[0].message.content == "a"


def test_the_callers_own_time_does_not_count_as_idle(client_of):
    with ScriptedServer(Reply([sse(chunk("a")), b": ping\n", 0.05, *stream("b")])) as server:
        seen = []
        limits = StreamTimeout(first_chunk=30, idle=2)
        for each in client_of(server).chat.completions.create(**ASK, stream_timeout=limits):
            time.sleep(0 if seen else 2.5)
            seen.append(each.choices[0].delta.content)
    assert seen == ["a", "b", ""]


def test_pings_do_not_extend_a_plain_timeout_either(client_of):
    with ScriptedServer(Reply([sse(chunk("a")), *PINGS])) as server:
        start = time.monotonic()
        with pytest.raises(zai.APITimeoutError):
            list(client_of(server).chat.completions.create(**ASK, timeout=2))
        assert time.monotonic() - start < 30


def test_silence_longer_than_a_plain_timeout_raises(client_of):
    with (
        ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server,
        pytest.raises(zai.APITimeoutError) as caught,
    ):
        list(client_of(server).chat.completions.create(**ASK, timeout=2))
    assert caught.value.partial.choices[0].message.content == "a"


def test_a_client_can_have_limits_for_all_its_streams(client_of):
    with ScriptedServer(Reply([60.0])) as server:
        client = client_of(server, stream_timeout=StreamTimeout(first_chunk=0.1))
        with pytest.raises(zai.APITimeoutError, match=r"within 0\.1 s"):
            list(client.chat.completions.create(**ASK))


def test_a_resumable_turn_that_exceeds_its_limits_is_stopped(client_of):
    with ScriptedServer(headrace([sse(chunk("a"), id=0), 60.0]), Reply(b"{}")) as server:
        limits = StreamTimeout(first_chunk=30, idle=0.1)
        with pytest.raises(zai.APITimeoutError):
            list(client_of(server).chat.completions.create(**ASK, stream_timeout=limits))
        assert [asked.method for asked in server.asked] == ["POST", "DELETE"]
