"""The whole of a stream is never half an answer, however often it is asked for."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
HALF = [sse(chunk("a"))]


def test_what_was_truncated_raises_each_time(client_of):
    with ScriptedServer(Reply(HALF)) as server:
        answer = client_of(server).chat.completions.create(**ASK, stream=True)
        events = client_of(server).chat.completions.stream(**ASK)
        for collect in (answer.collect, events.get_final_completion) * 2:
            with pytest.raises(zai.APIStreamTruncatedError):
                collect()


def test_what_was_left_before_its_end_raises(client_of):
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


def test_what_is_whole_can_be_had_again_and_after_it_was_closed(client_of):
    with ScriptedServer(Reply(stream("a", "b"))) as server:
        with client_of(server).chat.completions.create(**ASK, stream=True) as answer:
            assert answer.collect() == answer.collect()
        assert answer.collect().choices[0].message.content == "ab"


def test_what_the_caller_cancelled_is_given_as_far_as_it_came(client_of):
    with ScriptedServer(Reply(stream("a", "b"))) as server:
        answer = client_of(server).chat.completions.create(**ASK, stream=True)
        next(answer)
        answer.cancel()
        assert answer.collect().choices[0].message.content == "a"
