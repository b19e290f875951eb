"""Requests over sockets: times of arrival, ends of responses, failures."""

import asyncio
import errno
import gzip
import os
import resource
import time

import pytest

from headrace.checking import HttpEndpoint, Request, Response
from headrace.checking.answer import Answer
from headrace.errors import DecodeError, RequestError
from raw_server import OK, Server, replying


async def send(script, limit=10.0, key="", **fields):
    async with Server(script) as server:
        endpoint = HttpEndpoint(f"http://127.0.0.1:{server.port}/v1/", key, limit)
        return await endpoint.send(Request(**fields)), server.requests


async def test_a_request_has_the_key_and_the_path_below_the_base_url():
    response, [(line, headers, body)] = await send(replying(OK), key="id.secret", body=b"{}")

    assert (response.status, response.pieces[0][1], response.failure) == (200, b"ok", "")
    assert (line, body) == ("POST /v1/chat/completions HTTP/1.1", b"{}")
    assert headers["authorization"] == "bearer id.secret"
    assert headers["connection"] == "close"


async def test_a_header_of_the_request_replaces_the_key():
    _, [(_, headers, _)] = await send(replying(OK), key="id.secret", headers={"Authorization": "Bearer x"})

    assert headers["authorization"] == "bearer x"


async def test_each_piece_has_the_time_of_its_arrival():
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    response, _ = await send(script)

    (first, one), (second, two) = response.pieces
    assert (one, two) == (b"one", b"two")
    assert first < second <= response.seconds


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (b"", "closed the connection without a response"),
        (b"nonsense\r\n\r\n", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "before the end of its response"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "the size of a chunk"),
    ],
)
async def test_a_response_without_its_end_has_the_reason(reply, failure):
    response, _ = await send(replying(reply))

    assert failure in response.failure
    assert response.cause in ("closed", "protocol")


async def test_a_response_that_takes_longer_than_the_limit_has_the_reason():
    async def silent(server, reader, writer):
        await server.read_request(reader)
        await asyncio.Event().wait()

    response, _ = await send(silent, limit=0.05)

    assert (response.status, response.failure) == (0, "no end within 0.05 seconds")
    assert response.cause == "timeout"


async def test_an_endpoint_that_cannot_be_connected_to_has_the_reason():
    async with Server(replying(OK)) as server:
        pass
    response = await HttpEndpoint(f"http://127.0.0.1:{server.port}").send(Request())

    assert response.failure.startswith("cannot connect: ")
    assert response.cause == "connect"


async def test_a_limit_of_this_machine_is_no_failure_of_the_endpoint():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with Server(replying(OK)) as server:
        endpoint = HttpEndpoint(f"http://127.0.0.1:{server.port}")
        next_descriptor = os.dup(0)
        os.close(next_descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_descriptor, limits[1]))
        try:
            response = await endpoint.send(Request())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert (response.status, response.cause) == (0, "client")
    assert "Too many open files" in response.failure


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gpu1:8000",
        "ftp://gpu1",
        "http://",
        "http://gpu1:port",
        "http://gpu1:99999",
        "http://gpu1:0",
        "http://[::1",
        "http://gpu1..lan/v1",
        f"http://{'a' * 64}.lan/v1",
        "http://gpu1/v 1",
        "http://gpu1/\u4e2d",
    ],
)
def test_what_is_no_url_is_named(url):
    with pytest.raises(RequestError, match="is not a URL such as"):
        HttpEndpoint(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://GPU1:8000/v1", "gpu1:8000"),
        ("http://[::1]:80", "[::1]:80"),
        ("http://[::1]", "[::1]"),
        ("http://b\u00fccher.example/v1", "xn--bcher-kva.example"),
    ],
)
def test_the_host_of_a_request_is_ascii(url, host):
    head = HttpEndpoint(url)._encode(Request())

    assert f"\r\nHost: {host}\r\n".encode() in head


@pytest.mark.parametrize("url", ["http://a:b@gpu1/v1", "http://gpu1/v1?key=secret", "http://gpu1/v1#part"])
def test_a_url_with_a_secret_is_refused_without_showing_it(url):
    with pytest.raises(RequestError, match="--key-env") as caught:
        HttpEndpoint(url)

    assert "secret" not in str(caught.value)


async def test_a_key_that_is_no_header_value_is_an_error():
    with pytest.raises(RequestError, match="Authorization"):
        await HttpEndpoint("http://127.0.0.1:9", "a\nb").send(Request())


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 5000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_the_rest_of_a_body_that_is_too_long_is_not_read(framing):
    body = b"1388\r\n" * (b"chunked" in framing) + b": on\n\n" * 800
    reply = replying(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n" + body)
    async with Server(reply) as server:
        response = await HttpEndpoint(f"http://127.0.0.1:{server.port}", max_body=1000).send(Request())

    assert response.failure == "the body has more than 1000 bytes; the rest was not read"


async def test_a_feed_gets_the_pieces_and_none_is_kept():
    fed = []

    def feed(response, at, piece):
        fed.append((response.status, piece))
        assert at >= 0

    async with Server(replying(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000)) as server:
        endpoint = HttpEndpoint(f"http://127.0.0.1:{server.port}", max_body=1000)
        response = await endpoint.send(Request(), feed)

    assert b"".join(piece for _, piece in fed) == b"x" * 5000
    assert {status for status, _ in fed} == {200}
    assert (response.pieces, response.failure) == ([], "")


async def test_a_feed_ends_a_response_of_which_it_can_decode_no_more():
    def feed(response, at, piece):
        raise DecodeError("an event is too long")

    async def endless(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nx")
        await reader.read()

    async with Server(endless) as server:
        response = await HttpEndpoint(f"http://127.0.0.1:{server.port}").send(Request(), feed)

    assert (response.status, response.cause, response.failure) == (200, "protocol", "an event is too long")


async def test_a_response_ends_when_its_last_byte_arrives_although_the_client_is_busy():
    times = []

    def feed(response, at, piece):
        times.append(at)
        asyncio.get_running_loop().call_soon(time.sleep, 0.01)

    async with Server(replying(OK)) as server:
        response = await HttpEndpoint(f"http://127.0.0.1:{server.port}").send(Request(), feed)

    assert [response.seconds] == times


async def test_a_connection_that_the_kernel_gives_up_is_not_the_own_time_limit(monkeypatch):
    async def give_up(*_, **__):
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", give_up)
    response = await HttpEndpoint("http://127.0.0.1:9").send(Request())

    assert (response.cause, response.failure) == (
        "connect",
        f"cannot connect: [Errno {errno.ETIMEDOUT}] Connection timed out",
    )


def test_a_compressed_body_is_decompressed_up_to_a_limit():
    bomb = gzip.compress(bytes(100 * 1024 * 1024))
    response = Response(status=200, headers={"content-encoding": "gzip"}, pieces=[(0.1, bomb)])

    answer = Answer(response, is_stream=False)

    assert len(answer.body) < 100 * 1024 * 1024
    assert "the decompressed body has" in answer.failure
