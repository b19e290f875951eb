"""A disconnected stream resumes if the server numbers its events."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, headrace, sse, stream
from zai.http import retry
from zai.http.interruptible import InterruptibleConnection

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


def numbered(texts, first=0):
    return [sse(chunk(text), id=number) for number, text in enumerate(texts, first)]


def lost(texts, first=0):
    return headrace(numbered(texts, first), end="cut")


FINISH = [sse(chunk("", finish_reason="stop"), id=90), sse("[DONE]")]


def test_numbered_events_are_requested_unless_resume_is_disabled(client_of):
    with ScriptedServer(Reply(stream("a")), Reply(stream("a")), Reply(b'{"data":[]}')) as server:
        client_of(server).chat.completions.create(**ASK).collect()
        client_of(server, resume=False).chat.completions.create(**ASK).collect()
        client_of(server).models.list()
    assert [asked.headers.get("x-headrace-resumable") for asked in server.asked] == ["1", None, None]


@pytest.mark.parametrize("end", ["cut", "whole"])
def test_a_disconnected_stream_resumes_after_the_last_event(client_of, end):
    replies = [headrace(numbered("ab"), end=end), headrace([*numbered("cd", 2), *FINISH])]
    with ScriptedServer(*replies) as server:
        answer = client_of(server).chat.completions.create(**ASK, extra_headers={"X-Mine": "1"})
        assert [each.choices[0].delta.content for each in answer] == ["a", "b", "c", "d", ""]
        assert answer.snapshot.choices[0].message.content == "abcd"
    first, second = server.asked
    assert (second.method, second.path) == ("POST", "/api/paas/v4/chat/completions/turn-1")
    assert (second.headers["last-event-id"], second.body) == ("1", None)
    assert second.headers["x-mine"] == "1"
    assert second.headers["authorization"] == first.headers["authorization"]


def test_an_incomplete_frame_is_requested_again(client_of):
    first, second = numbered("ab")
    replies = [headrace([first, second[:-10]], end="cut"), headrace([*numbered("bc", 1), *FINISH])]
    with ScriptedServer(*replies) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        assert "".join(answer.text_deltas()) == "abc"
    assert server.asked[1].headers["last-event-id"] == "0"


def test_a_stream_does_not_resume_after_an_id_that_is_not_ascii(client_of):
    with ScriptedServer(headrace([sse(chunk("a"), id="²")], end="cut")) as server:
        with pytest.raises(zai.APIStreamDisconnectedError, match="disconnected after event ²") as caught:
            client_of(server).chat.completions.create(**ASK).collect()
    assert caught.value.last_event_id == "²"


def test_repeated_events_are_skipped(client_of):
    with ScriptedServer(lost("ab"), headrace([*numbered("abc"), *FINISH])) as server:
        assert "".join(client_of(server).chat.completions.create(**ASK).text_deltas()) == "abc"


def test_the_reconnects_are_unlimited_while_events_come(client_of):
    replies = [lost(text, number) for number, text in enumerate("abcdefghij")]
    with ScriptedServer(*replies, headrace(FINISH)) as server:
        assert "".join(client_of(server).chat.completions.create(**ASK).text_deltas()) == "abcdefghij"
    assert len(server.asked) == 11


@pytest.fixture
def waits(monkeypatch):
    """The seconds before each reconnect, the longest possible ones. They pass at once."""
    waits = []
    monkeypatch.setattr(InterruptibleConnection, "sleep", lambda line, seconds: waits.append(seconds))
    monkeypatch.setattr(retry, "_INITIAL_DELAY", 0.5)
    monkeypatch.setattr("random.random", lambda: 1.0)
    return waits


def test_reconnects_without_an_event_end_after_a_minute_of_waiting(client_of, waits):
    with ScriptedServer(lost("ab"), headrace([], end="cut")) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        with pytest.raises(zai.APIStreamDisconnectedError) as caught:
            list(answer)
    assert waits == [1, 2, 4, 8, 16, 30]
    assert [asked.method for asked in server.asked] == ["POST", *["POST"] * 6, "DELETE"]
    assert caught.value.partial.choices[0].message.content == "ab"
    assert caught.value.last_event_id == "1"


def test_clients_of_a_server_that_is_away_for_five_minutes_come_ever_more_rarely_and_come_back(
    client_of, waits
):
    away = [Reply(b"", status=503)] * 14
    with ScriptedServer(lost("a"), *away, headrace([*numbered("b", 1), *FINISH])) as server:
        client = client_of(server, reconnect_timeout=600)
        assert "".join(client.chat.completions.create(**ASK).text_deltas()) == "ab"
    assert waits == [1, 2, 4, 8, 16, *[30] * 10]
    assert sum(waits) > 300


@pytest.mark.parametrize("seconds", [0, -1, "60"])
def test_a_reconnect_timeout_is_a_number_of_seconds(seconds):
    with pytest.raises(zai.ZaiError, match="reconnect_timeout must be a number of seconds"):
        zai.ZaiClient(api_key="id.secret", reconnect_timeout=seconds)


def test_a_stream_resumes_after_a_server_restart(client_of):
    replies = [
        lost("a"),
        Reply(b"", status=503),
        Reply(b"", status=502),
        headrace([*numbered("b", 1), *FINISH]),
    ]
    with ScriptedServer(*replies) as server:
        assert "".join(client_of(server).chat.completions.create(**ASK).text_deltas()) == "ab"


def test_an_unknown_turn_is_not_requested_again(client_of):
    gone = Reply(b'{"error":{"code":"1222","message":"the turn was evicted: too old"}}', status=410)
    with (
        ScriptedServer(lost("a"), gone) as server,
        pytest.raises(zai.APIStreamDisconnectedError, match="too old") as caught,
    ):
        client_of(server).chat.completions.create(**ASK).collect()
    assert [asked.method for asked in server.asked] == ["POST", "POST", "DELETE"]
    assert caught.value.__cause__.status_code == 410


@pytest.mark.parametrize(("asked", "seconds"), [("1500", 1.5), ("999999999", 60)])
def test_the_servers_retry_field_sets_the_least_delay_up_to_a_minute(client_of, monkeypatch, asked, seconds):
    waits = []
    monkeypatch.setattr(InterruptibleConnection, "sleep", lambda line, seconds: waits.append(seconds))
    first = [f"retry: {asked}\n\n".encode(), *numbered("a")]
    replies = [headrace(first, end="cut"), headrace([*numbered("b", 1), *FINISH])]
    with ScriptedServer(*replies) as server:
        client_of(server).chat.completions.create(**ASK).collect()
    assert len(waits) == 1
    assert seconds <= waits[0] <= seconds + 1


def test_without_resume_a_turn_is_neither_resumed_nor_stopped(client_of):
    with ScriptedServer(lost("a"), headrace([*numbered("a"), 60.0])) as server:
        client = client_of(server, resume=False)
        with pytest.raises(zai.APIStreamDisconnectedError, match="after event 0"):
            client.chat.completions.create(**ASK).collect()
        with client.chat.completions.create(**ASK) as answer:
            next(answer)
    assert [asked.method for asked in server.asked] == ["POST", "POST"]


def test_a_stream_without_numbers_is_not_resumed(client_of):
    with (
        ScriptedServer(Reply([sse(chunk("a"))], end="cut")) as server,
        pytest.raises(zai.APIStreamDisconnectedError),
    ):
        client_of(server).chat.completions.create(**ASK).collect()
    assert len(server.asked) == 1


def test_an_error_within_a_resumable_stream_is_raised(client_of):
    failure = sse({"error": {"code": "1234", "message": "engine failed"}}, event="error")
    with (
        ScriptedServer(headrace([*numbered("a"), failure, *FINISH])) as server,
        pytest.raises(zai.APIInternalError, match="engine failed"),
    ):
        client_of(server).chat.completions.create(**ASK).collect()
    assert len(server.asked) == 1


@pytest.mark.parametrize("leave", ["close", "cancel", "break"])
def test_stopping_early_stops_the_resumable_turn(client_of, leave):
    with ScriptedServer(headrace([*numbered("ab"), 60.0]), Reply(b"{}")) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        if leave == "cancel":
            for _ in answer:
                answer.cancel()
        elif leave == "close":
            next(answer)
            answer.close()
        else:
            for _ in answer:
                break
            del answer
        stop = server.asked[-1]
    assert (stop.method, stop.path) == ("DELETE", "/api/paas/v4/chat/completions/turn-1")


def test_a_complete_turn_is_not_stopped(client_of):
    with ScriptedServer(Reply(stream("a", numbered=True))) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        answer.collect()
        answer.close()
    assert [asked.method for asked in server.asked] == ["POST"]


def test_a_turn_id_cannot_change_the_path(client_of):
    replies = [headrace(numbered("a"), "../../x?y#z", end="cut"), headrace(FINISH)]
    with ScriptedServer(*replies) as server:
        client_of(server).chat.completions.create(**ASK).collect()
    assert server.asked[1].path == "/api/paas/v4/chat/completions/..%2F..%2Fx%3Fy%23z"


def test_a_reconnect_has_a_new_token(client_of, monkeypatch):
    tokens = iter(["first", "second"])
    monkeypatch.setattr("zai.http.base_client.generate_token", lambda key: next(tokens))
    with ScriptedServer(lost("a"), headrace(FINISH)) as server:
        client_of(server, disable_token_cache=False).chat.completions.create(**ASK).collect()
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer first", "Bearer second"]


async def test_asyncio_resumes_too(async_client_of):
    with ScriptedServer(lost("ab"), headrace([*numbered("cd", 2), *FINISH])) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        assert [each.choices[0].delta.content async for each in answer] == ["a", "b", "c", "d", ""]
    assert server.asked[1].headers["last-event-id"] == "1"


async def test_reconnects_without_an_event_end_in_asyncio_too(async_client_of):
    with ScriptedServer(lost("ab"), headrace([], end="cut")) as server:
        client = async_client_of(server, reconnect_timeout=0.1)
        answer = await client.chat.completions.create(**ASK)
        with pytest.raises(zai.APIStreamDisconnectedError) as caught:
            await answer.collect()
    *reconnects, last = [asked.method for asked in server.asked]
    assert len(reconnects) > 2
    assert (set(reconnects), last) == ({"POST"}, "DELETE")
    assert caught.value.last_event_id == "1"


async def test_stopping_early_stops_the_resumable_turn_in_asyncio(async_client_of):
    with ScriptedServer(headrace([*numbered("ab"), 60.0]), Reply(b"{}")) as server:
        async with await async_client_of(server).chat.completions.create(**ASK) as answer:
            await anext(answer)
        assert server.asked[-1].method == "DELETE"
