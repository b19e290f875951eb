"""Requests as real clients send them."""

import asyncio
import json
import socket
import time

import pytest

from headrace.engines import ScriptedEngine
from headrace.events import Finish, Text
from wire_client import CHAT, HELLO, chunks_of, deltas

BODY = json.dumps(HELLO).encode()


def send(client, *parts):
    """The response of a connection that is closed after one request."""
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.005)  # so that it is a read of its own
        connection.settimeout(10)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def head(*lines):
    fields = ["Host: localhost", "Content-Type: application/json", "Connection: close"]
    return "\r\n".join([f"POST {CHAT} HTTP/1.1", *fields, *lines, "", ""]).encode()


HTTP_2 = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB"]
LENGTH = f"Content-Length: {len(BODY)}"


@pytest.mark.parametrize("upgrade", [HTTP_2, ["Connection: Upgrade", "upgrade:websocket"]])
def test_an_upgrade_offer_is_ignored_in_every_split(serve, upgrade):
    client = serve(ScriptedEngine("Hi"))
    request = head(*upgrade, LENGTH) + BODY
    for cut in [0, 7, *range(60, len(request), 9)]:
        responses = send(client, request[:cut], request[cut:])

        assert b" 200 " in responses.splitlines()[0], request[:cut]


def test_a_connection_continues_after_an_upgrade_offer(serve):
    client = serve(ScriptedEngine("Hi"))
    offer = head("Upgrade: h2c").replace(b"Connection: close", b"Connection: Upgrade").removesuffix(b"\r\n")
    whole = offer + LENGTH.encode() + b"\r\n\r\n" + BODY
    chunked = offer + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    responses = send(client, (whole + chunked) * 200 + head(LENGTH) + BODY)

    assert responses.count(b"HTTP/1.1 200") == 401


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_may_have_chunked_encoding(serve, size):
    pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    responses = send(serve(ScriptedEngine("Hi")), head("Transfer-Encoding: chunked"), chunks, b"0\r\n\r\n")

    assert b" 200 " in responses.splitlines()[0]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", CHAT, b"{", 400),
        ("PUT", CHAT, BODY, 405),
        ("POST", "/nothing", BODY, 404),
        ("POST", CHAT, b"x" * 20_000, 400),
    ],
)
def test_a_connection_continues_after_an_error(serve, method, path, body, status):
    client = serve(ScriptedEngine("Hi"), max_body_size=10_000)
    wrong = head(f"Content-Length: {len(body)}").replace(b"Connection: close\r\n", b"") + body
    wrong = wrong.replace(f"POST {CHAT}".encode(), f"{method} {path}".encode())
    responses = send(client, wrong + head(f"Content-Length: {len(BODY)}") + BODY)

    assert f" {status} ".encode() in responses.splitlines()[0]
    assert responses.count(b"HTTP/1.1 200") == 1


def test_an_http_1_0_client_gets_a_stream_without_chunks(serve):
    request = head("Content-Length: %d").decode().replace("HTTP/1.1", "HTTP/1.0")
    body = json.dumps({**HELLO, "stream": True})
    response = send(serve(ScriptedEngine("Hello, world!", piece=1)), (request % len(body) + body).encode())
    headers, _, stream = response.partition(b"\r\n\r\n")

    assert b"transfer-encoding" not in headers.lower()
    assert "".join(deltas(chunks_of(stream), "content")) == "Hello, world!"


@pytest.mark.parametrize("path", ["/health/", "//evil.example/health/", "/v1/models/"])
def test_no_response_leads_to_the_host_of_the_request(serve, path):
    client = serve(ScriptedEngine("Hi"), allowed_hosts=("evil.example",))
    response = client.get(f"http://{client.base_url.netloc.decode()}{path}", headers={"Host": "evil.example"})

    assert response.status_code == (404 if "evil.example" in path else 200)
    assert "location" not in response.headers
    assert "evil.example" not in response.text.replace(path.strip("/"), "")


def test_a_client_that_still_sends_gets_the_error(serve):
    """Closing the socket would reset the connection and lose the response."""
    client = serve(ScriptedEngine("Hi"))
    response = send(client, head(*[f"X-{number}: y" for number in range(200)]) + b"x" * 300_000)

    assert b" 431 " in response.splitlines()[0]
    assert json.loads(response.rpartition(b"\r\n")[2])["error"]["code"] == "1210"


class AtOnce(ScriptedEngine):
    """Emits all events in one call."""

    def start(self, generation, listener):
        loop = asyncio.get_running_loop()
        loop.call_soon(listener.on_events, [Text("Hi"), Finish("stop")])
        loop.call_soon(listener.on_end, None)
        return super().start(generation, Ignoring())


class Ignoring:
    def on_events(self, events):
        pass

    def on_end(self, error):
        pass


@pytest.mark.parametrize("persistence", [b"close", b"keep-alive"])
def test_head_frames_and_end_of_an_answer_that_is_there_leave_in_one_write(serve, persistence):
    client = serve(AtOnce([]))
    body = json.dumps({**HELLO, "stream": True}).encode()
    request = head(f"Content-Length: {len(body)}").replace(b"close", persistence) + body
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.settimeout(10)
        connection.sendall(request)
        response = connection.recv(65536)

    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"\r\nconnection: close\r\n" in response) == (persistence == b"close")
    assert deltas(chunks_of(response), "content") == ["Hi", ""]
    assert response.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
