"""`chat.completions.stream(…)`: events, texts, snapshots."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
THINKING = [sse(chunk(delta={"role": "assistant", "reasoning_content": text})) for text in ("Hm", "m.")]


def test_events_come_in_their_order(client_of):
    with ScriptedServer(Reply([*THINKING, *stream("Hel", "lo")])) as server:
        with client_of(server).chat.completions.stream(**ASK) as events:
            kinds = [event.type for event in events]
    assert kinds == [
        *["reasoning.delta"] * 2,
        "reasoning.done",
        *["content.delta"] * 2,
        "content.done",
        "usage",
        "finish",
    ]
    assert server.asked[0].body == {**ASK, "stream": True}


def test_arguments_are_streamed_if_there_are_tools(client_of):
    tools = [{"type": "function", "function": {"name": "f"}}]
    with ScriptedServer(Reply(stream("a"))) as server:
        client_of(server).chat.completions.stream(**ASK, tools=tools).until_done()
        client_of(server).chat.completions.stream(**ASK, tools=tools, tool_stream=False).until_done()
    assert [asked.body["tool_stream"] for asked in server.asked] == [True, False]


def test_the_request_is_sent_on_first_use(client_of):
    with ScriptedServer(Reply(stream("a"))) as server:
        events = client_of(server).chat.completions.stream(**ASK)
        assert server.asked == []
        events.until_done()
        assert len(server.asked) == 1


def test_text_and_reasoning_can_be_read_alone(client_of):
    with ScriptedServer(Reply([*THINKING, *stream("Hel", "lo")])) as server:
        completions = client_of(server).chat.completions
        assert list(completions.stream(**ASK).text_stream) == ["Hel", "lo"]
        assert list(completions.stream(**ASK).reasoning_stream) == ["Hm", "m."]


def test_a_snapshot_is_the_completion_received_so_far(client_of):
    with ScriptedServer(Reply([*THINKING, *stream("Hel", "lo")])) as server:
        with client_of(server).chat.completions.stream(**ASK) as events:
            deltas = (event for event in events if event.type == "content.delta")
            texts = [events.snapshot.choices[0].message.content for _ in deltas]
            assert texts == ["Hel", "Hello"]


def test_the_final_completion_is_complete(client_of):
    with ScriptedServer(Reply([*THINKING, *stream("Hel", "lo")])) as server:
        whole = client_of(server).chat.completions.stream(**ASK).get_final_completion()
    message = whole.choices[0].message
    assert (message.reasoning_content, message.content) == ("Hmm.", "Hello")
    assert whole.usage.total_tokens == 5


def test_a_truncated_answer_has_no_finish_event(client_of):
    with ScriptedServer(Reply([sse(chunk("a"))])) as server:
        events = client_of(server).chat.completions.stream(**ASK)
        kinds = []
        with pytest.raises(zai.APIStreamTruncatedError):
            kinds.extend(event.type for event in events)
    assert kinds == ["content.delta"]
    assert events.snapshot.choices[0].message.content == "a"


def test_a_cancelled_stream_ends_without_a_finish_event(client_of):
    with ScriptedServer(Reply(stream(*"abc"))) as server:
        kinds = []
        with client_of(server).chat.completions.stream(**ASK) as events:
            for event in events:
                kinds.append(event.type)
                events.cancel()
    assert kinds == ["content.delta"]


def test_leaving_the_block_closes_the_connection(client_of):
    with ScriptedServer(Reply([sse(chunk("a")), *[0.01, sse(chunk("b"))] * 500])) as server:
        with client_of(server).chat.completions.stream(**ASK) as events:
            next(events)
        assert server.gone.wait(5)


async def test_asyncio_has_the_same(async_client_of):
    with ScriptedServer(Reply([*THINKING, *stream("Hel", "lo")])) as server:
        completions = async_client_of(server).chat.completions
        async with completions.stream(**ASK) as events:
            kinds = [event.type async for event in events]
            assert kinds[0] == "reasoning.delta"
            assert kinds[-1] == "finish"
            assert events.snapshot.choices[0].message.content == "Hello"
        assert [text async for text in completions.stream(**ASK).text_stream] == ["Hel", "lo"]
        assert [text async for text in completions.stream(**ASK).reasoning_stream] == ["Hm", "m."]
        whole = await completions.stream(**ASK).get_final_completion()
        assert whole.choices[0].message.content == "Hello"


async def test_asyncio_raises_if_the_request_has_not_been_sent(async_client_of):
    with ScriptedServer(Reply(stream("a"))) as server:
        events = async_client_of(server).chat.completions.stream(**ASK)
        with pytest.raises(zai.ZaiError, match="async with"):
            _ = events.snapshot
        await events.close()
