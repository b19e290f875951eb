"""`cancel`: the loop ends at once and without an error wherever it waits; other streams continue."""

import asyncio
import threading
import time

import httpx2
import pytest

import zai
import zai.testing
from scripted_server import Reply, ScriptedServer, chunk, headrace, sse, stream
from zai.http import retry

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
LOST = headrace([sse(chunk("a"), id=0)], end="cut")
BUSY = Reply([sse({"error": {"code": "1305", "message": "overloaded"}})])
UNFINISHED = Reply([sse(chunk("a")), sse(chunk("b", finish_reason="stop"))[:-2]])


def texts_of(chunks):
    return [each.choices[0].delta.content for each in chunks]


async def read(answer):
    return texts_of([each async for each in answer])


def cancel_after(answer, server, requests):
    """Cancel from another thread once the server has received this many requests."""

    def wait():
        while len(server.asked) < requests:
            time.sleep(0.01)
        time.sleep(0.1)
        answer.cancel()

    threading.Thread(target=wait).start()


@pytest.mark.parametrize("library", ["ours", "httpx2", "httpx"])
def test_cancelling_a_finished_stream_spares_the_next_one_on_its_connection(client_of, library):
    own = None if library == "ours" else pytest.importorskip(library).Client(trust_env=False)
    with ScriptedServer(Reply(stream("a")), Reply([sse(chunk("b")), 0.2, *stream("c")])) as server:
        client = client_of(server, http_client=own)
        first = client.chat.completions.create(**ASK)
        first.collect()
        second = client.chat.completions.create(**ASK)
        next(second)
        first.cancel()
        assert second.collect().choices[0].message.content == "bc"
    assert len({asked.connection for asked in server.asked}) == 1


def test_a_reconnect_without_a_response_can_be_cancelled(client_of):
    with ScriptedServer(LOST, Reply(headers={"x-wait": "60"}), Reply(b"{}")) as server:
        start = time.monotonic()
        answer = client_of(server).chat.completions.create(**ASK)
        cancel_after(answer, server, 2)
        assert texts_of(answer) == ["a"]
        assert time.monotonic() - start < 30
    assert [asked.method for asked in server.asked] == ["POST", "POST", "DELETE"]


async def test_a_reconnect_without_a_response_can_be_cancelled_in_asyncio(async_client_of):
    with ScriptedServer(LOST, Reply(headers={"x-wait": "60"}), Reply(b"{}")) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        reading = asyncio.create_task(read(answer))
        async with asyncio.timeout(30):
            while len(server.asked) < 2:
                await asyncio.sleep(0.01)
            answer.cancel()
            assert await reading == ["a"]


def test_the_wait_before_a_retry_can_be_cancelled_and_the_previous_error_is_not_raised(
    client_of, monkeypatch
):
    monkeypatch.setattr(retry, "_INITIAL_DELAY", 60)
    with ScriptedServer(BUSY) as server:
        start = time.monotonic()
        answer = client_of(server).chat.completions.create(**ASK)
        cancel_after(answer, server, 1)
        assert list(answer) == []
        assert time.monotonic() - start < 30
        assert len(server.asked) == 1


async def test_the_wait_before_a_retry_can_be_cancelled_in_asyncio(async_client_of, monkeypatch):
    monkeypatch.setattr(retry, "_INITIAL_DELAY", 60)
    with ScriptedServer(BUSY) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        asyncio.get_running_loop().call_later(0.2, answer.cancel)
        async with asyncio.timeout(30):
            assert [each async for each in answer] == []


@pytest.mark.parametrize("again", ["cancel", "aclose"])
@pytest.mark.parametrize("library", ["ours", "httpx2", "httpx"])
async def test_a_reading_task_is_not_cancelled_twice(async_client_of, library, again):
    own = None
    if library != "ours":
        own = await asyncio.to_thread(pytest.importorskip(library).AsyncClient, trust_env=False)
    with ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server:
        answer = await async_client_of(server, http_client=own).chat.completions.create(**ASK)
        await anext(answer)
        reading = asyncio.create_task(read(answer))
        await asyncio.sleep(0.2)
        answer.cancel()
        if again == "cancel":
            answer.cancel()
        else:
            await answer.aclose()
        assert await reading == []


async def test_a_task_that_processes_the_last_chunk_is_not_cancelled(async_client_of):
    with ScriptedServer(UNFINISHED) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        seen = []
        async for each in answer:
            seen.append(each.choices[0].delta.content)
            if seen == ["a", "b"]:
                asyncio.get_running_loop().call_soon(answer.cancel)
                await asyncio.sleep(0.05)
        assert seen == ["a", "b"]


async def test_cancelling_the_task_is_not_mistaken_for_cancelling_the_stream(async_client_of):
    with ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        reading = asyncio.create_task(answer.collect())
        await asyncio.sleep(0.2)
        answer.cancel()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


def test_a_stream_without_a_socket_ends_at_its_next_bytes():
    transport = zai.testing.ReplayTransport([sse(chunk("a")), 0.3, *stream("b")], timed=True)
    with zai.ZaiClient(api_key="a.b", http_client=httpx2.Client(transport=transport)) as client:
        answer = client.chat.completions.create(**ASK)
        threading.Timer(0.1, answer.cancel).start()
        assert texts_of(answer) == ["a"]
