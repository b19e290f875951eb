"""Whether and when a request is sent again."""

import email.utils
import time

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from zai.http.retry import Retries, backoff, full_jitter, retry_after

MESSAGES = [{"role": "user", "content": "Hello"}]
ANSWER = b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}]}'


class Response:
    def __init__(self, status=500, **headers):
        self.status_code = status
        self.request = None
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def refusal(status=500, **headers):
    return zai.APIStatusError("no", response=Response(status, **headers))


def test_the_backoff_is_zai_sdks(monkeypatch):
    monkeypatch.setattr("zai.http.retry._INITIAL_DELAY", 0.5)
    for retry, full in enumerate([1, 2, 4, 8, 8, 8], 1):
        waits = [backoff(retry) for _ in range(200)]
        assert full * 0.75 <= min(waits) < max(waits) <= full


def test_clients_that_are_lost_at_once_come_back_at_any_time_within_a_bound_that_doubles(monkeypatch):
    monkeypatch.setattr("zai.http.retry._INITIAL_DELAY", 0.5)
    for reconnect, bound in {**dict(enumerate([1, 2, 4, 8, 16, 30, 30], 1)), 9999: 30}.items():
        waits = sorted(full_jitter(reconnect) for _ in range(1000))
        assert 0 <= waits[0] < 0.05 * bound
        assert 0.95 * bound < waits[-1] <= bound
        most = max(sum(start <= wait < start + bound / 10 for wait in waits) for start in waits)
        assert most < 200  # in a tenth of that time


def test_retry_after_is_exceeded_by_up_to_a_quarter():
    waits = [Retries(1).next_delay(refusal(429, retry_after="4")) for _ in range(200)]
    assert 4 <= min(waits) < 4.5
    assert 4.5 < max(waits) <= 5


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 599])
def test_these_statuses_are_retried_up_to_the_maximum(status):
    retries = Retries(2)
    assert retries.next_delay(refusal(status)) > 0
    assert retries.next_delay(refusal(status)) > 0
    with pytest.raises(zai.APIStatusError):
        retries.next_delay(refusal(status))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 422])
def test_these_statuses_are_not_retried(status):
    with pytest.raises(zai.APIStatusError):
        Retries(3).next_delay(refusal(status))


def test_x_should_retry_overrides_the_status():
    assert Retries(1).next_delay(refusal(400, x_should_retry="true")) > 0
    with pytest.raises(zai.APIStatusError):
        Retries(1).next_delay(refusal(500, x_should_retry="false"))


def test_connection_errors_and_timeouts_are_retried_but_not_timeouts_of_stream_limits():
    assert Retries(1).next_delay(zai.APIConnectionError()) > 0
    assert Retries(1).next_delay(zai.APITimeoutError()) > 0
    with pytest.raises(zai.APITimeoutError):
        Retries(1, zai.StreamTimeout(idle=1)).next_delay(zai.APITimeoutError())


def test_an_invalid_response_is_not_retried():
    with pytest.raises(zai.APIResponseValidationError):
        Retries(1).next_delay(zai.APIResponseValidationError(Response(200), None))


def test_a_retry_after_of_zero_is_honored():
    assert Retries(1).next_delay(refusal(429, retry_after="0")) == 0


def test_a_retry_after_of_more_than_a_minute_is_not_retried():
    with pytest.raises(zai.APIStatusError):
        Retries(3).next_delay(refusal(429, retry_after="61"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.5", 1.5),
        (" 2 ", 2),
        ("-3", 0),
        ("", None),
        ("soon", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Thu, 01 Jan 99999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(text, seconds):
    assert retry_after({"retry-after": text}) == seconds


def test_retry_after_can_be_a_date_in_the_future():
    date = email.utils.formatdate(time.time() + 30, usegmt=True)

    assert 28 < retry_after({"retry-after": date}) <= 30


def test_a_request_is_retried_until_it_succeeds(client_of):
    with ScriptedServer(Reply(b"", status=503), Reply(b"", status=429), Reply(ANSWER)) as server:
        answer = client_of(server).chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hi"
    assert len(server.asked) == 3
    assert server.asked[0].body == server.asked[2].body


def test_the_error_is_raised_after_three_retries(client_of):
    with ScriptedServer(Reply(b"busy", status=503)) as server:
        with pytest.raises(zai.APIServerFlowExceedError, match="busy"):
            client_of(server).chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert len(server.asked) == 4


def test_the_retry_waits_as_long_as_retry_after(client_of):
    with ScriptedServer(Reply(b"", status=429, headers={"retry-after": "0.3"}), Reply(ANSWER)) as server:
        client_of(server).chat.completions.create(model="m", messages=MESSAGES)
    assert server.asked[1].at - server.asked[0].at >= 0.3


def ask(client):
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


def test_a_stream_that_fails_before_its_first_chunk_is_retried(client_of):
    busy = sse({"error": {"code": "1305", "message": "overloaded"}})
    replies = [Reply([busy]), Reply([b": hi\n\n"], end="cut"), Reply(stream("a"))]
    with ScriptedServer(*replies) as server:
        assert "".join(ask(client_of(server)).text_deltas()) == "a"
    assert [asked.method for asked in server.asked] == ["POST"] * 3


def test_all_retries_of_a_stream_count_together(client_of):
    with ScriptedServer(Reply(b"", status=500), Reply([], end="cut")) as server:
        with pytest.raises(zai.APIConnectionError):
            list(ask(client_of(server, max_retries=2)))
        assert len(server.asked) == 3


def test_a_stream_is_not_retried_after_its_first_chunk(client_of):
    busy = sse({"error": {"code": "1305", "message": "overloaded"}})
    with ScriptedServer(Reply([sse(chunk("a")), busy])) as server:
        with pytest.raises(zai.APIReachLimitError, match="overloaded"):
            list(ask(client_of(server)))
        assert len(server.asked) == 1


def test_an_error_that_is_not_retryable_is_raised_at_once(client_of):
    unsafe = sse({"error": {"code": "1301", "message": "unsafe"}})
    with ScriptedServer(Reply([unsafe])) as server:
        with pytest.raises(zai.APIRequestFailedError, match="unsafe"):
            list(ask(client_of(server)))
        assert len(server.asked) == 1


async def test_asyncio_retries_too(async_client_of):
    busy = sse({"error": {"code": "1305", "message": "overloaded"}})
    with ScriptedServer(Reply(b"", status=503), Reply([busy]), Reply(stream("a"))) as server:
        answer = await ask(async_client_of(server))
        assert (await answer.collect()).choices[0].message.content == "a"
    assert len(server.asked) == 3
