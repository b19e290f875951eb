"""A stream that is neither read to its end nor closed: the connection closes, without a ResourceWarning.

The garbage collector is off: nothing of ours may be in a cycle that keeps a connection open until it comes.
"""

import asyncio
import contextlib
import gc
import warnings

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse

MESSAGES = [{"role": "user", "content": "Hello"}]
ASK = {"model": "m", "messages": MESSAGES}


def get_time() -> str:
    """Tell the time."""
    return "12:00"


@pytest.fixture
def server():
    gc.disable()
    try:
        with ScriptedServer(Reply([sse(chunk("a"))], end="hold")) as server:
            yield server
    finally:
        gc.enable()


@pytest.fixture(autouse=True)
def _no_resource_warning(server):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(each.message) for each in caught] == []


def unread(completions):
    return completions.create(**ASK, stream=True)


def unread_text(completions):
    return completions.create(**ASK, stream=True).text_deltas()


def begun(completions):
    stream = completions.create(**ASK, stream=True)
    next(stream)
    return stream


def events_unread(completions):
    stream = completions.stream(**ASK)
    assert stream.stream.response.is_success
    return stream


def events_begun(completions):
    stream = completions.stream(**ASK)
    next(stream)
    return stream


def text_begun(completions):
    texts = completions.stream(**ASK).text_stream
    next(texts)
    return texts


def run_begun(completions):
    run = completions.run_tools(MESSAGES, tools=[get_time], model="m")
    next(iter(run))
    return run


@pytest.mark.parametrize("end", ["dropped", "after its client was closed"])
@pytest.mark.parametrize(
    "way", [unread, unread_text, begun, events_unread, events_begun, text_begun, run_begun]
)
def test_a_dropped_stream_closes_its_connection(server, client_of, way, end):
    client = client_of(server)
    stream = way(client.chat.completions)
    if end != "dropped":
        client.close()
    del stream
    assert server.gone.wait(5)


async def async_unread(completions):
    return await completions.create(**ASK, stream=True)


async def async_unread_text(completions):
    return (await completions.create(**ASK, stream=True)).text_deltas()


async def async_begun(completions):
    stream = await completions.create(**ASK, stream=True)
    await anext(stream)
    return stream


async def async_events_begun(completions):
    stream = completions.stream(**ASK)
    await anext(stream)
    return stream


async def async_text_begun(completions):
    texts = completions.stream(**ASK).text_stream
    await anext(texts)
    return texts


async def async_run_begun(completions):
    run = completions.run_tools(MESSAGES, tools=[get_time], model="m")
    await anext(aiter(run))
    return run


async def dropped(client, way, server):
    stream = await way(client.chat.completions)
    del stream
    assert await asyncio.to_thread(server.gone.wait, 5)


async def client_closed_first(client, way, server):
    stream = await way(client.chat.completions)
    await client.close()
    del stream
    assert await asyncio.to_thread(server.gone.wait, 5)


async def error_within_the_client(client, way, server):
    async with client:
        _stream = await way(client.chat.completions)
        raise KeyError


async def nothing_closed(client, way, server):
    _stream = await way(client.chat.completions)


@pytest.mark.parametrize("end", [dropped, client_closed_first, error_within_the_client, nothing_closed])
@pytest.mark.parametrize(
    "way",
    [
        async_unread,
        async_unread_text,
        async_begun,
        async_events_begun,
        async_text_begun,
        async_run_begun,
    ],
)
def test_asyncio_closes_the_connection_of_a_dropped_stream(server, way, end):
    client = zai.AsyncZaiClient(api_key="id.secret", base_url=server.url)
    with contextlib.suppress(KeyError):
        asyncio.run(end(client, way, server))
    assert server.gone.wait(5)
