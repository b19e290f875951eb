"""The asyncio transport."""

import asyncio
import time

import httpx2
import pytest

import zai
from scripted_server import Reply, ScriptedServer, stream
from zai.http.async_http1_transport import AsyncHttp1Transport
from zai.http.transport import new_async_client

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
ANSWER = b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}]}'


@pytest.fixture
async def client():
    async with httpx2.AsyncClient(transport=AsyncHttp1Transport(max_idle=2)) as client:
        yield client


async def test_the_response_is_httpx2s_and_its_connection_is_reused(client):
    with ScriptedServer(Reply(ANSWER, status=201, headers={"x-a": "1"})) as server:
        for _ in range(3):
            response = await client.post(server.url, json={"a": 1})
        assert (response.status_code, response.headers["x-a"]) == (201, "1")
        assert response.json()["choices"][0]["index"] == 0
    assert server.asked[0].body == {"a": 1}
    assert len({asked.connection for asked in server.asked}) == 1


async def test_a_connection_with_an_unread_response_is_not_reused(client):
    with ScriptedServer(Reply([b"a", 0.3, b"b"])) as server:
        for _ in range(2):
            async with client.stream("GET", server.url) as response:
                await anext(response.aiter_raw())
    assert len({asked.connection for asked in server.asked}) == 2


async def test_an_idle_connection_that_the_server_closed_is_not_reused(client):
    with ScriptedServer(Reply(ANSWER)) as server:
        await client.get(server.url)
        client._transport._idle._idle[0].connection[0].feed_eof()
        await client.get(server.url)
    assert len({asked.connection for asked in server.asked}) == 2


async def test_concurrent_requests_have_separate_connections_and_few_are_kept(client):
    with ScriptedServer(Reply([0.2, b"a"])) as server:
        await asyncio.gather(*(client.get(server.url) for _ in range(5)))
        assert len({asked.connection for asked in server.asked}) == 5
        assert len(client._transport._idle) == 2


def test_a_connection_of_another_event_loop_is_not_reused():
    client = new_async_client("http://127.0.0.1")
    assert isinstance(client._transport, AsyncHttp1Transport)

    async def ask(url):
        return (await client.get(url)).status_code

    with ScriptedServer(Reply(ANSWER)) as server:
        with asyncio.Runner() as one, asyncio.Runner() as two:
            assert one.run(ask(server.url)) == two.run(ask(server.url)) == 200
            two.run(client.aclose())
    assert len({asked.connection for asked in server.asked}) == 2


async def test_a_slow_read_times_out(client):
    with ScriptedServer(Reply([b"a", 60.0])) as server:
        start = time.monotonic()
        timeout = {"timeout": {"read": 5, "body": 0.1}}
        with pytest.raises(TimeoutError):
            async with client.stream("GET", server.url, extensions=timeout) as response:
                _ = [piece async for piece in response.aiter_raw()]
        assert time.monotonic() - start < 30


async def test_a_slow_head_times_out(async_client_of):
    with ScriptedServer(Reply(ANSWER, headers={"x-wait": "60"})) as server:
        with pytest.raises(zai.APITimeoutError, match="no response from"):
            await async_client_of(server, max_retries=0).chat.completions.create(**ASK, timeout=0.1)


async def test_a_truncated_body_is_a_protocol_error(client):
    with ScriptedServer(Reply([b"some bytes"], end="cut")) as server:
        with pytest.raises(httpx2.RemoteProtocolError, match="before the end"):
            await client.get(server.url)


async def test_a_loopback_server_is_reached_directly_despite_a_proxy(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with ScriptedServer(Reply(ANSWER)) as server:
        async with zai.AsyncZaiClient(api_key="a.b", base_url=server.url, max_retries=0) as client:
            await client.chat.completions.create(**ASK)
    assert len(server.asked) == 1


async def test_a_proxy_of_the_environment_is_used(monkeypatch):
    with ScriptedServer(Reply(ANSWER)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/api/paas/v4"))
        async with zai.AsyncZaiClient(api_key="a.b", base_url="http://somewhere.invalid/v4") as client:
            await client.chat.completions.create(**ASK)
    assert proxy.asked[0].path == "http://somewhere.invalid/v4/chat/completions"


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
async def test_a_client_that_was_passed_streams_and_has_limits_like_the_default(library):
    module = pytest.importorskip(library)
    slow = Reply([*stream("a")[:1], *[0.05, b": ping\n"] * 2000])
    with ScriptedServer(Reply(stream("a", "b")), slow) as server:
        own = await asyncio.to_thread(module.AsyncClient, trust_env=False)
        async with zai.AsyncZaiClient(api_key="a.b", base_url=server.url, http_client=own) as client:
            answer = await client.chat.completions.create(**ASK, stream=True)
            assert (await answer.collect()).choices[0].message.content == "ab"
            limits = zai.StreamTimeout(first_chunk=30, idle=2)
            answer = await client.chat.completions.create(**ASK, stream=True, stream_timeout=limits)
            with pytest.raises(zai.APITimeoutError, match="for 2 s"):
                await answer.collect()
        assert own.is_closed


async def test_many_streams_can_be_read_at_once(async_client_of):
    with ScriptedServer(Reply([*stream("a", "b")[:1], 0.1, *stream("b")])) as server:
        client = async_client_of(server)

        async def ask():
            return (await (await client.chat.completions.create(**ASK, stream=True)).collect()).choices[0]

        answers = await asyncio.gather(*(ask() for _ in range(50)))
    assert {answer.message.content for answer in answers} == {"ab"}
