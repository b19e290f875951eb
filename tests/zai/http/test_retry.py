"""When a request is tried again, and after how long."""

import email.utils
import time

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from zai.http.retry import Retries, backoff, retry_after

MESSAGES = [{"role": "user", "content": "Hello"}]
ANSWER = b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}]}'


class Response:
    def __init__(self, status=500, **headers):
        self.status_code = status
        self.request = None
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def refusal(status=500, **headers):
    return zai.APIStatusError("no", response=Response(status, **headers))


def test_the_wait_doubles_up_to_eight_seconds_less_up_to_a_quarter(monkeypatch):
    monkeypatch.setattr("zai.http.retry._FIRST_DELAY", 0.5)
    for retry, full in enumerate([0.5, 1, 2, 4, 8, 8, 8], 1):
        waits = [backoff(retry) for _ in range(200)]
        assert full * 0.75 <= min(waits) < max(waits) <= full


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 599])
def test_these_are_tried_again_as_often_as_is_allowed(status):
    retries = Retries(2)
    assert retries.next_delay(refusal(status)) > 0
    assert retries.next_delay(refusal(status)) > 0
    with pytest.raises(zai.APIStatusError):
        retries.next_delay(refusal(status))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 422])
def test_these_are_not(status):
    with pytest.raises(zai.APIStatusError):
        Retries(3).next_delay(refusal(status))


def test_the_server_may_say_whether_to_try_again():
    assert Retries(1).next_delay(refusal(400, x_should_retry="true")) > 0
    with pytest.raises(zai.APIStatusError):
        Retries(1).next_delay(refusal(500, x_should_retry="false"))


def test_connection_errors_and_timeouts_are_tried_again_but_not_a_limit_of_the_callers():
    assert Retries(1).next_delay(zai.APIConnectionError()) > 0
    assert Retries(1).next_delay(zai.APITimeoutError()) > 0
    with pytest.raises(zai.APITimeoutError):
        Retries(1, zai.StreamTimeout(idle=1)).next_delay(zai.APITimeoutError())


def test_an_answer_that_cannot_be_read_is_not_tried_again():
    with pytest.raises(zai.APIResponseValidationError):
        Retries(1).next_delay(zai.APIResponseValidationError(Response(200), None))


def test_retry_after_is_obeyed():
    assert Retries(1).next_delay(refusal(429, retry_after="7")) == 7
    assert Retries(1).next_delay(refusal(429, retry_after="0")) == 0


def test_a_server_that_asks_for_minutes_is_not_asked_again():
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


def test_retry_after_as_a_date_in_the_future():
    date = email.utils.formatdate(time.time() + 30, usegmt=True)

    assert 28 < retry_after({"retry-after": date}) <= 30


def test_a_request_is_tried_again_until_it_succeeds(client_of):
    with ScriptedServer(Reply(b"", status=503), Reply(b"", status=429), Reply(ANSWER)) as server:
        answer = client_of(server).chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hi"
    assert len(server.asked) == 3
    assert server.asked[0].body == server.asked[2].body


def test_after_three_more_tries_the_error_is_raised(client_of):
    with ScriptedServer(Reply(b"busy", status=503)) as server:
        with pytest.raises(zai.APIServerFlowExceedError, match="busy"):
            client_of(server).chat.completions.create(model="m", messages=MESSAGES, stream=True)
        assert len(server.asked) == 4


def test_a_wait_that_the_server_asks_for_is_kept(client_of):
    with ScriptedServer(Reply(b"", status=429, headers={"retry-after": "0.3"}), Reply(ANSWER)) as server:
        client_of(server).chat.completions.create(model="m", messages=MESSAGES)
    assert server.asked[1].at - server.asked[0].at >= 0.3


def ask(client):
    return client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


def test_a_stream_that_fails_before_its_first_chunk_is_asked_for_again(client_of):
    busy = sse({"error": {"code": "1305", "message": "overloaded"}})
    replies = [Reply([busy]), Reply([b": hi\n\n"], end="cut"), Reply(stream("a"))]
    with ScriptedServer(*replies) as server:
        assert "".join(ask(client_of(server)).text_deltas()) == "a"
    assert [asked.method for asked in server.asked] == ["POST"] * 3


def test_all_tries_of_a_stream_count_together(client_of):
    with ScriptedServer(Reply(b"", status=500), Reply([], end="cut")) as server:
        with pytest.raises(zai.APIConnectionError):
            list(ask(client_of(server, max_retries=2)))
        assert len(server.asked) == 3


def test_after_the_first_chunk_nothing_is_asked_for_again(client_of):
    busy = sse({"error": {"code": "1305", "message": "overloaded"}})
    with ScriptedServer(Reply([sse(chunk("a")), busy])) as server:
        with pytest.raises(zai.APIReachLimitError, match="overloaded"):
            list(ask(client_of(server)))
        assert len(server.asked) == 1


def test_an_error_that_trying_again_cannot_help_is_raised_at_once(client_of):
    unsafe = sse({"error": {"code": "1301", "message": "unsafe"}})
    with ScriptedServer(Reply([unsafe])) as server:
        with pytest.raises(zai.APIRequestFailedError, match="unsafe"):
            list(ask(client_of(server)))
        assert len(server.asked) == 1


async def test_asyncio_tries_again_too(async_client_of):
    busy = sse({"error": {"code": "1305", "message": "overloaded"}})
    with ScriptedServer(Reply(b"", status=503), Reply([busy]), Reply(stream("a"))) as server:
        answer = await ask(async_client_of(server))
        assert (await answer.collect()).choices[0].message.content == "a"
    assert len(server.asked) == 3
