"""The blocking transport, and HTTP clients that the caller passes."""

import fcntl
import resource
import socket
import threading
import time

import httpx2
import pytest

import zai
from scripted_server import Reply, ScriptedServer, stream
from zai.http.http1_transport import Http1Transport
from zai.http.transport import new_client

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
ANSWER = b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}]}'


@pytest.fixture
def client():
    with httpx2.Client(transport=Http1Transport(max_idle=2)) as client:
        yield client


def test_the_response_is_httpx2s(client):
    with ScriptedServer(Reply(ANSWER, status=201, headers={"x-a": "1"})) as server:
        response = client.post(server.url + "/path?q=1", json={"é": 1}, headers={"X-B": "2"})
    assert (response.status_code, response.headers["x-a"]) == (201, "1")
    assert response.json()["choices"][0]["index"] == 0
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/api/paas/v4/path?q=1", {"é": 1})
    assert asked.headers["x-b"] == "2"
    assert asked.headers["host"] == server.url.split("/")[2]


@pytest.mark.parametrize("headers", [{}, {"content-length": str(len(ANSWER))}])
def test_a_connection_is_reused_after_its_response_was_read(client, headers):
    with ScriptedServer(Reply(ANSWER, headers=headers)) as server:
        for _ in range(3):
            client.get(server.url)
    assert len({asked.connection for asked in server.asked}) == 1


def test_a_connection_with_an_unread_response_is_not_reused(client):
    with ScriptedServer(Reply([b"a", 0.3, b"b"])) as server:
        for _ in range(2):
            with client.stream("GET", server.url) as response:
                next(response.iter_raw())
    assert len({asked.connection for asked in server.asked}) == 2


def test_an_idle_connection_that_the_server_closed_is_not_reused(client):
    with ScriptedServer(Reply(ANSWER)) as server:
        client.get(server.url)
        connection = client._transport._idle._idle[0].connection
        connection.shutdown(socket.SHUT_RD)
        client.get(server.url)
    assert len({asked.connection for asked in server.asked}) == 2


def test_an_idle_connection_is_reused_in_a_program_with_more_than_a_thousand_open_files(client):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with ScriptedServer(Reply(ANSWER)) as server:
            client.get(server.url)
            ((origin, connection),) = client._transport._idle._take_until(float("inf"))
            high = socket.socket(fileno=fcntl.fcntl(connection, fcntl.F_DUPFD, 1024))
            connection.close()
            client._transport._idle.put(origin, high)
            client.get(server.url)
        assert len({asked.connection for asked in server.asked}) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_concurrent_requests_have_separate_connections_and_few_are_kept(client):
    with ScriptedServer(Reply([0.2, b"a"])) as server:
        threads = [threading.Thread(target=client.get, args=(server.url,)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({asked.connection for asked in server.asked}) == 5
        assert len(client._transport._idle) == 2


def test_close_closes_the_idle_connections():
    client = httpx2.Client(transport=Http1Transport())
    with ScriptedServer(Reply(ANSWER)) as server:
        client.get(server.url)
        client.close()
        assert len(client._transport._idle) == 0


def test_a_slow_read_times_out(client):
    with ScriptedServer(Reply([b"a", 60.0])) as server:
        start = time.monotonic()
        with (
            pytest.raises(TimeoutError),
            client.stream(
                "GET", server.url, timeout=None, extensions={"timeout": {"read": 5, "body": 0.1}}
            ) as response,
        ):
            list(response.iter_raw())
        assert time.monotonic() - start < 30


@pytest.mark.parametrize("headers", [{}, {"content-length": "9000"}], ids=["chunked", "counted"])
def test_a_truncated_body_is_a_protocol_error(client, headers):
    reply = Reply([b"some bytes"] if not headers else b"some bytes", headers=headers, end="cut")
    with (
        ScriptedServer(reply) as server,
        pytest.raises(httpx2.RemoteProtocolError, match="the server closed"),
    ):
        client.get(server.url)


def test_an_invalid_header_is_a_protocol_error(client):
    with ScriptedServer(Reply(ANSWER)) as server, pytest.raises(httpx2.ProtocolError):
        client.get(server.url, headers={"X-A": "a\r\nX-B: b"})


def test_httpx2s_own_transport_is_used_for_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost,10.0.0.1")
    with new_client("https://api.z.ai/api/paas/v4") as client:
        assert not isinstance(client._transport, Http1Transport)


@pytest.mark.parametrize("url", ["https://localhost:8000/v1", "https://a:b@10.0.0.1/v1", "http://api.z.ai"])
def test_the_sdks_transport_is_used_without_a_proxy(url, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "localhost,10.0.0.1")
    with new_client(url) as client:
        assert isinstance(client._transport, Http1Transport)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:8000", "[::1]", "[::1]:8000", "a:b@[::1]:1"]
)
def test_a_loopback_host_is_not_proxied(host, proxy, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", proxy)
    with new_client(f"http://{host}/v1") as client:
        assert isinstance(client._transport, Http1Transport)


@pytest.mark.parametrize("host", ["127.0.0.1.example.com", "localhost.example.com", "[::10]", "10.127.0.0.1"])
def test_a_host_whose_name_resembles_loopback_is_proxied(host, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with new_client(f"http://{host}/v1") as client:
        assert not isinstance(client._transport, Http1Transport)


def test_a_loopback_server_is_reached_directly_despite_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with ScriptedServer(Reply(ANSWER)) as server:
        with zai.ZaiClient(api_key="a.b", base_url=server.url, max_retries=0) as client:
            client.chat.completions.create(**ASK)
    assert len(server.asked) == 1


def test_a_proxy_of_the_environment_is_used(monkeypatch):
    with ScriptedServer(Reply(ANSWER)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/api/paas/v4"))
        with zai.ZaiClient(api_key="a.b", base_url="http://somewhere.invalid/v4") as client:
            client.chat.completions.create(**ASK)
    assert proxy.asked[0].path == "http://somewhere.invalid/v4/chat/completions"


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_a_client_that_was_passed_streams_is_cancelled_and_fails_like_the_default(library):
    module = pytest.importorskip(library)
    with ScriptedServer(
        Reply(stream("a", "b")), Reply([*stream("a")[:1], 60.0]), Reply(stream("a")[:1], end="cut")
    ) as server:
        own = module.Client(trust_env=False, timeout=module.Timeout(10))
        client = zai.ZaiClient(api_key="a.b", base_url=server.url, http_client=own, timeout=module.Timeout(9))
        assert "".join(client.chat.completions.create(**ASK, stream=True).text_deltas()) == "ab"

        answer = client.chat.completions.create(**ASK, stream=True)
        threading.Timer(0.1, answer.cancel).start()
        assert "".join(answer.text_deltas()) == "a"

        with pytest.raises(zai.APIStreamDisconnectedError):
            client.chat.completions.create(**ASK, stream=True).collect()
        client.close()
        assert own.is_closed
    assert server.asked[0].connection == server.asked[1].connection


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_limits_apply_with_a_client_that_was_passed(library):
    module = pytest.importorskip(library)
    with (
        ScriptedServer(Reply([*stream("a")[:1], *[0.05, b": ping\n"] * 2000])) as server,
        zai.ZaiClient(
            api_key="a.b", base_url=server.url, http_client=module.Client(trust_env=False)
        ) as client,
    ):
        limits = zai.StreamTimeout(first_chunk=30, idle=2)
        with pytest.raises(zai.APITimeoutError, match="for 2 s"):
            client.chat.completions.create(**ASK, stream=True, stream_timeout=limits).collect()


@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_exceptions_of_a_client_that_was_passed_are_translated(library):
    module = pytest.importorskip(library)

    def fail(request):
        raise getattr(module, request.headers["x-fail"])("it failed")

    with zai.ZaiClient(
        api_key="a.b", http_client=module.Client(transport=module.MockTransport(fail)), max_retries=0
    ) as client:
        for name, error_class, message in [
            ("ConnectTimeout", zai.APITimeoutError, "is the server running"),
            ("ReadTimeout", zai.APITimeoutError, "no response from"),
            ("PoolTimeout", zai.APITimeoutError, "all connections of this client are busy"),
            ("ConnectError", zai.APIConnectionError, "cannot connect to"),
            ("RemoteProtocolError", zai.APIConnectionError, "was lost: it failed"),
            ("ReadError", zai.APIConnectionError, "was lost: it failed"),
        ]:
            with pytest.raises(error_class, match=message):
                client.chat.completions.create(**ASK, extra_headers={"X-Fail": name})
