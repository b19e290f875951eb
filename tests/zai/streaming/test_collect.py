"""`collect` and `get_final_completion`: complete, or an exception."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
HALF = [sse(chunk("a"))]


def test_collecting_a_truncated_stream_raises_each_time(client_of):
    with ScriptedServer(Reply(HALF)) as server:
        answer = client_of(server).chat.completions.create(**ASK, stream=True)
        events = client_of(server).chat.completions.stream(**ASK)
        for collect in (answer.collect, events.get_final_completion) * 2:
            with pytest.raises(zai.APIStreamTruncatedError):
                collect()


def test_collecting_a_stream_closed_before_its_end_raises(client_of):
    with ScriptedServer(Reply(stream("a", "b"))) as server:
        with client_of(server).chat.completions.create(**ASK, stream=True) as answer:
            next(answer)
        with client_of(server).chat.completions.stream(**ASK) as events:
            next(events)
        for collect in (answer.collect, events.get_final_completion):
            with pytest.raises(zai.APIStreamTruncatedError, match="ended within the completion"):
                collect()
        assert answer.snapshot.choices[0].message.content == "a"


async def test_asyncio_does_the_same(async_client_of):
    with ScriptedServer(Reply(HALF)) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK, stream=True)
        events = async_client_of(server).chat.completions.stream(**ASK)
        for collect in (answer.collect, events.get_final_completion) * 2:
            with pytest.raises(zai.APIStreamTruncatedError):
                await collect()
        async with async_client_of(server).chat.completions.stream(**ASK) as left:
            await anext(left)
        with pytest.raises(zai.APIStreamTruncatedError):
            await left.get_final_completion()


def test_a_complete_stream_can_be_collected_again_and_after_close(client_of):
    with ScriptedServer(Reply(stream("a", "b"))) as server:
        with client_of(server).chat.completions.create(**ASK, stream=True) as answer:
            assert answer.collect() == answer.collect()
        assert answer.collect().choices[0].message.content == "ab"


def test_collecting_a_cancelled_stream_returns_what_was_received(client_of):
    with ScriptedServer(Reply(stream("a", "b"))) as server:
        answer = client_of(server).chat.completions.create(**ASK, stream=True)
        next(answer)
        answer.cancel()
        assert answer.collect().choices[0].message.content == "a"
