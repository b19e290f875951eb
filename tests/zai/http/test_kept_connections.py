"""What may carry the next request, and what the transports do with connections that others disturb."""

import asyncio
import contextlib
import copy
import gc
import gzip
import os
import socket
import threading
import time
import warnings

import httpx2
import pytest

import zai
from raw_peers import OK, Peer, outcomes, read_request
from scripted_server import Reply, ScriptedServer, stream
from zai.http import pool
from zai.http.async_http1_transport import AsyncHttp1Transport
from zai.http.http1_transport import Http1Transport
from zai.http.pool import ConnectionPool

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
ANSWER = b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}]}'


# --- age, process, event loop ------------------------------------------------------------------------


def test_a_connection_is_kept_for_four_seconds(monkeypatch):
    now = 0.0
    monkeypatch.setattr(pool.time, "monotonic", lambda: now)
    connections = ConnectionPool(2)
    connections.put("a", 1)
    now = 3.9
    connections.put("a", 2)
    assert connections.take_old() == []
    now = 4.0
    assert connections.take_old() == [("a", 1)]
    assert (connections.take("b"), connections.take("a"), connections.take("a")) == (None, 2, None)


def test_an_old_connection_is_closed_and_replaced(monkeypatch):
    monkeypatch.setattr(pool, "MAX_IDLE_SECONDS", 0)

    def script(connection, number):
        read_request(connection)
        connection.sendall(OK)
        connection.recv(1)  # a firewall that has forgotten the connection: no answer on it, ever

    assert list(outcomes(script)) == [([b"ok", b"ok"], 2)] * 2


def test_sockets_send_probes():
    def probes(sock):
        return [
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            *(
                sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_KEEP{name}"))
                for name in ("IDLE", "CNT")
            ),
        ]

    async def get(url):
        transport = AsyncHttp1Transport()
        async with httpx2.AsyncClient(transport=transport) as client:
            await client.get(url)
            return probes(transport._idle._idle[0].connection[1].get_extra_info("socket"))

    with ScriptedServer(Reply(ANSWER)) as server, httpx2.Client(transport=Http1Transport()) as client:
        client.get(server.url)
        found = [probes(client._transport._idle._idle[0].connection), asyncio.run(get(server.url))]
    assert found == [[1, 60, 5]] * 2


def test_after_a_fork_parent_and_child_have_separate_connections():
    with ScriptedServer(Reply(ANSWER)) as server:
        with zai.ZaiClient(api_key="a.b", base_url=server.url) as client:
            client.chat.completions.create(**ASK)
            if (child := os.fork()) == 0:
                client.chat.completions.create(**ASK)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            client.chat.completions.create(**ASK)
    first, second, third = (asked.connection for asked in server.asked)
    assert first == third != second


def test_a_pool_keeps_a_parents_connections_apart(monkeypatch):
    connections = ConnectionPool(2)
    connections.put("a", 1)
    monkeypatch.setattr(pool.os, "getpid", lambda: -1)
    assert connections.take("a") is None
    assert connections.put("a", 2)
    assert [each for _, each in connections.close()] == [2]


def test_a_pool_of_many_threads_gives_each_connection_once():
    connections, taken = ConnectionPool(1000), []
    for number in range(1000):
        connections.put(number % 3, number)

    def take(key):
        while (connection := connections.take(key)) is not None:
            taken.append(connection)
            connections.take_old()

    threads = [threading.Thread(target=take, args=(number % 3,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(1000))


def test_event_loops_in_threads_keep_their_own_connections():
    barrier = threading.Barrier(2)

    def ask(client, url):
        async def twice():
            for _ in range(2):
                await asyncio.to_thread(barrier.wait)
                await client.get(url)

        asyncio.run(twice())

    with ScriptedServer(Reply(ANSWER)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of connections whose event loop has ended
        client = httpx2.AsyncClient(transport=AsyncHttp1Transport())
        threads = [threading.Thread(target=ask, args=(client, server.url)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(client.aclose())
        del client
        gc.collect()
    assert len({asked.connection for asked in server.asked}) == 2


def test_a_proxy_serves_one_client_in_several_event_loops(monkeypatch):
    def ask():
        client = zai.AsyncZaiClient(api_key="a.b", base_url="http://somewhere.invalid/v4", max_retries=0)
        for _ in range(3):
            asyncio.run(_ask(client))
        asyncio.run(client.close())

    with ScriptedServer(Reply(ANSWER)) as proxy, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of connections whose event loop has ended
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/api/paas/v4"))
        ask()
        gc.collect()
    assert len(proxy.asked) == 3


async def _ask(client):
    await client.chat.completions.create(**ASK)


def test_after_the_loop_was_blocked_a_closed_connection_is_not_used():
    async def ask(url):
        transport = AsyncHttp1Transport()
        async with httpx2.AsyncClient(transport=transport) as client:
            first = await client.get(url)
            closed.wait(10)  # blocks the event loop, which cannot see that the server closes
            return first.text, (await client.get(url)).text

    def script(connection, number):
        read_request(connection)
        connection.sendall(OK)
        if number == 1:
            connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            closed.set()

    closed = threading.Event()
    peer = Peer(script)
    assert asyncio.run(ask(peer.url)) == ("ok", "ok")
    peer.socket.close()


def test_a_name_whose_first_address_does_not_respond_is_reached(monkeypatch):
    async def ask():
        async def resolve(*_, **__):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        async with zai.AsyncZaiClient(api_key="a.b", base_url="http://a.test/v4", max_retries=0) as client:
            await client.chat.completions.create(**ASK, timeout=20)

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ScriptedServer(Reply(ANSWER)))
        full = stack.enter_context(socket.socket())  # its backlog is full, so that nothing answers
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        ports = [full.getsockname()[1], int(server.url.split(":")[2].partition("/")[0])]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", ports[0]))
        asyncio.run(ask())
    assert len(server.asked) == 1


# --- a rejection while the request is sent -----------------------------------------------------------

LARGE = {"model": "m", "messages": [{"role": "user", "content": "x" * 8_000_000}]}
REJECTION = b'{"error":{"code":"1210","message":"too large"}}'
REJECTED = b"HTTP/1.1 413 Too Large\r\nContent-Length: %d\r\n\r\n%b" % (len(REJECTION), REJECTION)


@pytest.fixture(params=["closes", "lingers"])
def rejecting(request):
    """A server that rejects by the head: it closes, or it keeps the connection and reads no more."""
    done = threading.Event()

    def script(connection, number):
        read_request(connection)
        connection.sendall(REJECTED)
        if request.param == "lingers":
            done.wait(30)

    peer = Peer(script)
    yield peer
    done.set()
    peer.socket.close()


def test_an_early_rejection_is_raised_and_the_request_is_not_repeated(rejecting):
    with zai.ZaiClient(api_key="a.b", base_url=rejecting.url, max_retries=2) as client:
        with pytest.raises(zai.APIStatusError, match="too large") as caught:
            client.chat.completions.create(**LARGE)
    assert (caught.value.status_code, caught.value.code, rejecting.connections) == (413, "1210", 1)


async def test_an_early_rejection_is_raised_and_the_request_is_not_repeated_in_asyncio(rejecting):
    async with zai.AsyncZaiClient(api_key="a.b", base_url=rejecting.url, max_retries=2) as client:
        with pytest.raises(zai.APIStatusError, match="too large") as caught:
            await client.chat.completions.create(**LARGE)
    assert (caught.value.status_code, caught.value.code, rejecting.connections) == (413, "1210", 1)


def test_a_large_request_arrives_whole_after_an_interim_response():
    sizes = []

    def script(connection, number):
        head = connection.recv(1000)
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        left = size - len(head.partition(b"\r\n\r\n")[2])
        time.sleep(0.05)
        while left and (data := connection.recv(1 << 20)):
            left -= len(data)
        sizes.append(left)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER))

    async def ask(url):
        async with zai.AsyncZaiClient(api_key="a.b", base_url=url) as client:
            await client.chat.completions.create(**LARGE)

    peer = Peer(script)
    with zai.ZaiClient(api_key="a.b", base_url=peer.url) as client:
        client.chat.completions.create(**LARGE)
    asyncio.run(ask(peer.url))
    peer.socket.close()
    assert sizes == [0, 0]


# --- bodies, copies, the end of the interpreter ------------------------------------------------------


def members(data, count):
    size = -(-len(data) // count)
    return [gzip.compress(data[at : at + size]) for at in range(0, len(data), size)]


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize(("encoding", "cut"), [("gzip", 1), ("x-gzip", 1000), ("GZIP", 50)])
def test_gzip_may_have_any_number_of_members(client_of, encoding, count, cut):
    async def read(url):
        async with zai.AsyncZaiClient(api_key="a.b", base_url=url) as client:
            assert (await client.chat.completions.create(**ASK)).choices[0].message.content == "Hi"
            answer = await client.chat.completions.create(**ASK, stream=True)
            assert (await answer.collect()).choices[0].message.content == "ab"

    headers = {"content-encoding": encoding}
    whole = b"".join(members(ANSWER, count))
    events = b"".join(members(b"".join(stream("a", "b")), count))
    pieces = [events[at : at + cut] for at in range(0, len(events), cut)]
    with ScriptedServer(*[Reply(whole, headers=headers), Reply(pieces, headers=headers)] * 2) as server:
        client = client_of(server)
        assert client.chat.completions.create(**ASK).choices[0].message.content == "Hi"
        assert "".join(client.chat.completions.create(**ASK, stream=True).text_deltas()) == "ab"
        asyncio.run(read(server.url))


def test_a_body_that_is_not_gzip_raises(client_of):
    with ScriptedServer(Reply(ANSWER, headers={"content-encoding": "gzip"})) as server:
        with pytest.raises(zai.APIConnectionError, match="not gzip, its Content-Encoding"):
            client_of(server, max_retries=0).chat.completions.create(**ASK)


@pytest.mark.parametrize("kept", ["copy", "original"])
def test_a_copy_and_its_client_outlive_each_other(kept):
    with ScriptedServer(Reply(ANSWER)) as server:
        client = zai.ZaiClient(api_key="a.b", base_url=server.url)
        client.models  # noqa: B018 - not `chat`, which would keep its client alive
        client.http_client  # noqa: B018
        other = copy.copy(client)
        if kept == "copy":
            client = other
        del other
        gc.collect()
        client.chat.completions.create(**ASK)
        client.close()


def test_a_stream_can_end_while_the_interpreter_ends(client_of, monkeypatch):
    """Python 3.12.0 to 3.12.2 start no threads then."""

    class Threads:
        Lock, Event, TIMEOUT_MAX = threading.Lock, threading.Event, threading.TIMEOUT_MAX

        class Thread(threading.Thread):
            def start(self):
                raise RuntimeError("can't create new thread at interpreter shutdown")

    with ScriptedServer(Reply(stream("a", "b")), Reply(b"{}", status=400)) as server:
        client = client_of(server)
        monkeypatch.setattr("zai.http.interruptible.threading", Threads)
        assert "".join(client.chat.completions.create(**ASK, stream=True).text_deltas()) == "ab"
        with pytest.raises(zai.APIRequestFailedError):
            client.chat.completions.create(**ASK)
