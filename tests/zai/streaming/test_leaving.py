"""Leaving a stream early stops its turn at a Headrace, wherever the task was cancelled."""

import asyncio
import contextlib
import gc
import warnings

import anyio
import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, headrace, sse, stream
from waiting import until_async

MESSAGES = [{"role": "user", "content": "Hello"}]
ASK = {"model": "m", "messages": MESSAGES}
SILENT = Reply(headers={"x-wait": "60"})
NUMBERED = [sse(chunk("a"), id=1), 60.0]
MOMENTS = {
    "before the head": SILENT,
    "after the head": headrace([60.0]),
    "after an event": headrace(NUMBERED),
}


def get_time() -> str:
    """Tell the time."""
    return "12:00"


async def chunks(client):
    async for _ in await client.chat.completions.create(**ASK, stream=True):
        pass


async def events(client):
    async with client.chat.completions.stream(**ASK) as stream:
        async for _ in stream:
            pass


async def tools(client):
    await client.chat.completions.run_tools(MESSAGES, tools=[get_time], model="m").until_done()


async def when_asked(server):
    await until_async(lambda: server.asked)
    await asyncio.sleep(0.02)


async def cancel(reading, server):
    task = asyncio.create_task(reading)
    await when_asked(server)
    task.cancel()
    await asyncio.wait([task])


async def cancel_twice(reading, server):
    task = asyncio.create_task(reading)
    await when_asked(server)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def asyncio_timeout(reading, server):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(None) as limit:
            asyncio.get_running_loop().create_task(_expire(limit, server))
            await reading


async def _expire(limit, server):
    await when_asked(server)
    limit.reschedule(asyncio.get_running_loop().time())


async def anyio_scope(reading, server):
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(_cancel, scope, server)
            await reading


async def anyio_group(reading, server):
    async def read():
        await reading

    async with anyio.create_task_group() as group:
        group.start_soon(read)
        await when_asked(server)
        group.cancel_scope.cancel()


async def _cancel(scope, server):
    await when_asked(server)
    scope.cancel()


WAYS_TO_LEAVE = [cancel, cancel_twice, asyncio_timeout, anyio_scope, anyio_group]
CASES = [(leave, chunks, moment, True) for leave in WAYS_TO_LEAVE for moment in MOMENTS]
CASES += [(anyio_scope, way, "after an event", True) for way in (events, tools)]
CASES += [(anyio_scope, chunks, moment, False) for moment in MOMENTS]


@pytest.mark.parametrize(("leave", "way", "moment", "closes"), CASES)
def test_a_cancelled_read_stops_the_turn(leave, way, moment, closes):
    async def main(server):
        client = zai.AsyncZaiClient(api_key="a.b", base_url=server.url)
        await leave(way(client), server)
        if closes:
            await client.close()

    with ScriptedServer(MOMENTS[moment], Reply(b"{}")) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of a client that was not closed
        asyncio.run(main(server))
        gc.collect()
        post, *others = server.asked
    name = post.headers["x-headrace-request-id"] if moment == "before the head" else "turn-1"
    assert [(each.method, each.path) for each in others] == [("DELETE", f"{post.path}/{name}")]


@pytest.mark.parametrize("way", [chunks, events, tools])
async def test_retries_have_the_same_name_which_no_other_stream_has(async_client_of, way):
    with ScriptedServer(
        Reply(b"", status=503), Reply(stream("a"), headers={"x-headrace-turn": "t"})
    ) as server:
        client = async_client_of(server)
        await way(client)
        await way(client)
    names = [asked.headers["x-headrace-request-id"] for asked in server.asked]
    assert names[0] == names[1] != names[2]
    assert len(names[0]) <= 64


def test_exhausted_retries_stop_the_turn(client_of):
    with ScriptedServer(Reply([], end="cut", headers={"x-headrace-turn": "t"})) as server:
        with pytest.raises(zai.APIConnectionError):
            client_of(server, max_retries=1).chat.completions.create(**ASK, stream=True).collect()
    assert [asked.method for asked in server.asked] == ["POST", "POST", "DELETE"]


def test_a_turn_that_its_caller_named_goes_on_when_the_sdk_gives_up(client_of):
    """The caller's own repetition of the request joins it."""
    with ScriptedServer(Reply([], end="cut", headers={"x-headrace-turn": "t"})) as server:
        with pytest.raises(zai.APIConnectionError):
            client_of(server, max_retries=1).chat.completions.create(
                **ASK, stream=True, request_id="order-1234"
            ).collect()
    assert [asked.method for asked in server.asked] == ["POST", "POST"]


@pytest.mark.parametrize("status", [400, 500])
def test_nothing_is_stopped_after_an_error_of_the_server(client_of, status):
    with ScriptedServer(Reply(b"{}", status=status)) as server, pytest.raises(zai.APIStatusError):
        client_of(server, max_retries=0).chat.completions.create(**ASK, stream=True)
    assert [asked.method for asked in server.asked] == ["POST"]


def test_a_server_that_is_no_headrace_gets_neither_delete_nor_get(client_of):
    """OpenAI's API deletes a stored completion at the same path."""
    cut = Reply(NUMBERED[:1], end="cut")
    with ScriptedServer(Reply(NUMBERED), cut, SILENT, Reply(b"{}")) as server:
        client = client_of(server, max_retries=0)
        with client.chat.completions.create(**ASK, stream=True) as answer:
            next(answer)
        with pytest.raises(zai.APIStreamDisconnectedError):
            client.chat.completions.create(**ASK, stream=True).collect()
        with pytest.raises(zai.APITimeoutError):
            client.chat.completions.create(**ASK, stream=True, timeout=0.1)
    assert [asked.method for asked in server.asked] == ["POST"] * 3


def test_frames_without_ids_end_resumability(client_of):
    frames = [*NUMBERED[:1], sse(chunk("b")), sse(chunk("c"))]
    with ScriptedServer(headrace(frames, end="cut"), Reply(b"{}")) as server:
        with pytest.raises(zai.APIStreamDisconnectedError) as caught:
            client_of(server).chat.completions.create(**ASK, stream=True).collect()
    assert caught.value.partial.choices[0].message.content == "abc"
    assert [asked.method for asked in server.asked] == ["POST", "DELETE"]


def test_frames_with_ids_after_such_without_can_be_resumed_again(client_of):
    frames = [*NUMBERED[:1], sse(chunk("b")), sse(chunk("c"), id=3)]
    rest = [sse(chunk("d", finish_reason="stop"), id=4), sse("[DONE]")]
    with ScriptedServer(headrace(frames, end="cut"), headrace(rest)) as server:
        assert "".join(client_of(server).chat.completions.create(**ASK, stream=True).text_deltas()) == "abcd"
    assert server.asked[1].headers["last-event-id"] == "3"


ITERATORS = {
    "stream": lambda stream: stream,
    "iterator": aiter,
    "text": lambda stream: stream.text_deltas(),
}


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("kind", ITERATORS)
async def test_a_cancelled_read_does_not_end_a_stream_silently(async_client_of, kind, numbered):
    body = [sse(chunk("a"), id=1 if numbered else None), 60.0]
    with ScriptedServer(headrace(body) if numbered else Reply(body)) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK, stream=True)
        items = ITERATORS[kind](answer)
        await anext(items)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(items), 0.05)
        for _ in range(2):
            with pytest.raises(
                zai.APIStreamTruncatedError, match="a read of the stream was cancelled"
            ) as caught:
                await anext(items)
        with pytest.raises(zai.APIStreamTruncatedError):
            await answer.collect()
    assert caught.value.partial.choices[0].message.content == "a"


async def test_a_cancelled_read_does_not_end_events_or_a_tool_loop_silently(async_client_of):
    with ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server:
        completions = async_client_of(server).chat.completions
        run = completions.run_tools(MESSAGES, tools=[get_time], model="m")
        for items in (completions.stream(**ASK), completions.stream(**ASK).text_stream, aiter(run)):
            await anext(items)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(items), 0.05)
            with pytest.raises(zai.APIStreamTruncatedError, match="a read of the stream was cancelled"):
                await anext(items)


async def test_a_stream_that_was_closed_or_is_complete_ends_as_before(async_client_of):
    with ScriptedServer(Reply([sse(chunk("a")), 60.0]), Reply(stream("a"))) as server:
        client = async_client_of(server)
        for end in ("close", "cancel"):
            answer = await client.chat.completions.create(**ASK, stream=True)
            await anext(answer)
            if end == "cancel":
                answer.cancel()
            else:
                await answer.close()
                break
        assert [each async for each in answer] == []
        answer = await client.chat.completions.create(**ASK, stream=True)
        assert [each.choices[0].delta.content async for each in answer] == ["a", ""]
        assert [each async for each in answer] == []


def test_an_exception_of_a_signal_handler_does_not_end_a_stream_silently(client_of):
    class SoftLimitError(BaseException):
        pass

    with ScriptedServer(Reply(stream("a"))) as server:
        answer = client_of(server).chat.completions.create(**ASK, stream=True)
        with pytest.raises(SoftLimitError):
            answer._chunks.throw(SoftLimitError)
        with pytest.raises(zai.APIStreamTruncatedError, match="a read of the stream was cancelled"):
            next(iter(answer))
