"""Streams of a server: reading, closing, errors and cleaning up, blocking and in asyncio."""

import asyncio
import gc
import threading
import time

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from waiting import until

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


def test_iterating_gives_each_chunk_as_it_comes(client_of):
    with ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        assert next(answer).choices[0].delta.content == "a"
        assert answer.finish_reason is None
        answer.close()


def test_a_stream_has_its_ids_usage_and_response(client_of):
    reply = Reply(stream("a", numbered=True), headers={"x-request-id": "r-1"})
    with ScriptedServer(reply) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        assert answer.request_id == "r-1"
        list(answer)
        assert (answer.last_event_id, answer.finish_reason) == ("1", "stop")
        assert answer.usage.total_tokens == 4
        assert answer.response.status_code == 200


def test_the_last_event_id_is_that_of_the_returned_chunk_not_of_those_read_ahead(client_of):
    with ScriptedServer(Reply([b"".join(stream("a", "b", "c", numbered=True))])) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        assert [answer.last_event_id for _ in answer] == ["0", "1", "2", "3"]


def test_text_deltas_omit_empty_ones(client_of):
    with ScriptedServer(Reply(stream("Hel", "lo"))) as server:
        assert list(client_of(server).chat.completions.create(**ASK).text_deltas()) == ["Hel", "lo"]


def test_text_deltas_omit_a_choice_without_a_delta(client_of):
    nothing = sse({"choices": [{"index": 0, "delta": None}]})
    with ScriptedServer(Reply([nothing, *stream("a")])) as server:
        assert list(client_of(server).chat.completions.create(**ASK).text_deltas()) == ["a"]


def test_collect_includes_the_chunks_that_were_read_before(client_of):
    with ScriptedServer(Reply(stream("Hel", "lo"))) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        next(answer)
        whole = answer.collect()
    assert whole.choices[0].message.content == "Hello"
    assert whole.usage.completion_tokens == 2


def test_the_connection_is_reused_after_done(client_of):
    with ScriptedServer(Reply([*stream("a"), 0.02])) as server:
        client = client_of(server)
        for _ in range(3):
            client.chat.completions.create(**ASK).collect()
    assert len({asked.connection for asked in server.asked}) == 1


def test_a_body_that_does_not_end_after_done_is_closed_after_a_while(client_of):
    with ScriptedServer(Reply(stream("a"), end="hold")) as server:
        client = client_of(server)
        start = time.monotonic()
        client.chat.completions.create(**ASK).collect()
        assert 1.9 < time.monotonic() - start < 30
        client.chat.completions.create(**ASK).collect()
    assert len({asked.connection for asked in server.asked}) == 2


@pytest.mark.parametrize("leave", ["break", "close", "with", "delete"])
def test_stopping_early_closes_the_connection(client_of, leave):
    with ScriptedServer(Reply([sse(chunk("a")), *[0.01, sse(chunk("b"))] * 500])) as server:
        client = client_of(server)
        if leave == "break":
            for _ in client.chat.completions.create(**ASK):
                break
        else:
            answer = client.chat.completions.create(**ASK)
            next(answer)
            if leave == "close":
                answer.close()
            elif leave == "with":
                with answer:
                    pass
            else:
                del answer
        assert server.gone.wait(30)


def test_dropping_an_unread_stream_closes_the_connection(client_of):
    with ScriptedServer(Reply([*[0.01, sse(chunk("b"))] * 500])) as server:
        client = client_of(server)
        answer = client.chat.completions.create(**ASK)
        del answer
        gc.collect()
        assert server.gone.wait(30)


def test_a_closed_stream_has_no_more_chunks(client_of):
    with ScriptedServer(Reply(stream("a", "b"))) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        next(answer)
        answer.close()
        answer.close()
        assert list(answer) == []


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_another_thread_can_end_a_waiting_loop(client_of, end):
    with ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        seen = []
        thread = threading.Thread(target=lambda: seen.extend(answer))
        thread.start()
        until(lambda: seen)
        getattr(answer, end)()
        thread.join(30)
        assert not thread.is_alive()
        assert answer.is_cancelled
        assert [each.choices[0].delta.content for each in seen] == ["a"]


def test_cancel_within_the_loop_drops_chunks_that_were_received(client_of):
    with ScriptedServer(Reply([b"".join(stream(*"abcdef"))])) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        seen = []
        for each in answer:
            seen.append(each.choices[0].delta.content)
            answer.cancel()
    assert seen == ["a"]


def test_a_lost_connection_raises_one_error_with_the_partial_completion(client_of):
    with ScriptedServer(Reply([sse(chunk("a"))], end="cut")) as server:
        answer = client_of(server).chat.completions.create(**ASK)
        with pytest.raises(zai.APIStreamDisconnectedError, match=r"disconnected.*\.partial") as caught:
            list(answer)
    assert isinstance(caught.value, zai.APIConnectionError)
    assert caught.value.partial.choices[0].message.content == "a"
    assert caught.value.last_event_id == ""


def test_a_body_that_ends_early_is_a_truncation(client_of):
    with (
        ScriptedServer(Reply([sse(chunk("a"))])) as server,
        pytest.raises(zai.APIStreamTruncatedError) as caught,
    ):
        list(client_of(server).chat.completions.create(**ASK))
    assert caught.value.partial.choices[0].message.content == "a"


def test_a_connection_lost_after_the_finish_reason_is_not_an_error(client_of):
    with ScriptedServer(Reply(stream("a")[:-1], end="cut")) as server:
        assert client_of(server).chat.completions.create(**ASK).collect().choices[0].finish_reason == "stop"


def test_a_compressed_stream_is_decompressed(client_of):
    import gzip

    reply = Reply([gzip.compress(b"".join(stream("a")))], headers={"content-encoding": "gzip"})
    with ScriptedServer(reply) as server:
        assert client_of(server).chat.completions.create(**ASK).collect().choices[0].message.content == "a"
    assert server.asked[0].headers["accept-encoding"] == "identity"


async def test_asyncio_reads_the_same(async_client_of):
    with ScriptedServer(Reply(stream("Hel", "lo"), headers={"x-request-id": "r-1"})) as server:
        client = async_client_of(server)
        answer = await client.chat.completions.create(**ASK)
        assert [each.choices[0].delta.content async for each in answer] == ["Hel", "lo", ""]
        assert (answer.finish_reason, answer.request_id) == ("stop", "r-1")

        answer = await client.chat.completions.create(**ASK)
        assert [text async for text in answer.text_deltas()] == ["Hel", "lo"]

        whole = await (await client.chat.completions.create(**ASK)).collect()
        assert whole.choices[0].message.content == "Hello"
    assert len({asked.connection for asked in server.asked}) == 1


async def test_asyncio_closes_a_body_that_does_not_end(async_client_of):
    with ScriptedServer(Reply(stream("a"), end="hold")) as server:
        start = time.monotonic()
        await (await async_client_of(server).chat.completions.create(**ASK)).collect()
        assert 1.9 < time.monotonic() - start < 30


@pytest.mark.parametrize("leave", ["close", "with", "break"])
async def test_stopping_early_closes_the_connection_in_asyncio(async_client_of, leave):
    with ScriptedServer(Reply([sse(chunk("a")), *[0.01, sse(chunk("b"))] * 500])) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        if leave == "break":
            async for _ in answer:
                break
            del answer
        elif leave == "with":
            async with answer:
                await anext(answer)
        else:
            await anext(answer)
            await answer.aclose()
        assert await asyncio.to_thread(server.gone.wait, 30)


@pytest.mark.parametrize("end", ["cancel", "close"])
async def test_another_task_can_end_a_waiting_loop(async_client_of, end):
    with ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        first = asyncio.Event()

        async def end_it():
            await first.wait()
            if end == "cancel":
                answer.cancel()
            else:
                await answer.close()

        async with asyncio.TaskGroup() as group:
            group.create_task(end_it())
            async for each in answer:
                assert each.choices[0].delta.content == "a"
                first.set()
        assert answer.is_cancelled
        assert asyncio.current_task().cancelling() == 0


async def test_a_stream_cancelled_before_it_is_read_is_empty(async_client_of, client_of):
    with ScriptedServer(Reply([60.0])) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        answer.cancel()
        assert [each async for each in answer] == []

    with ScriptedServer(Reply([60.0])) as server:
        answer = await asyncio.to_thread(lambda: client_of(server).chat.completions.create(**ASK))
        answer.cancel()
        assert list(answer) == []


async def test_cancelling_spares_a_task_that_processes_a_chunk(async_client_of):
    with ScriptedServer(Reply([sse(chunk("a")), 60.0])) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        async for _ in answer:
            asyncio.get_running_loop().call_soon(answer.cancel)
            await asyncio.sleep(0.05)
            assert asyncio.current_task().cancelling() == 0
        assert answer.is_cancelled


async def test_a_cancelled_task_gets_its_cancellation(async_client_of):
    with ScriptedServer(Reply([sse(chunk("a")), *[0.01, b": ping\n"] * 500])) as server:
        answer = await async_client_of(server).chat.completions.create(**ASK)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                async for _ in answer:
                    pass
        await answer.close()
        assert await asyncio.to_thread(server.gone.wait, 30)


async def test_asyncio_raises_the_same_errors(async_client_of):
    with ScriptedServer(Reply([sse(chunk("a"))], end="cut"), Reply([sse(chunk("a"))])) as server:
        client = async_client_of(server)
        with pytest.raises(zai.APIStreamDisconnectedError) as caught:
            await (await client.chat.completions.create(**ASK)).collect()
        assert caught.value.partial.choices[0].message.content == "a"
        with pytest.raises(zai.APIStreamTruncatedError):
            await (await client.chat.completions.create(**ASK)).collect()
