"""Requests as real clients send them."""

import json
import socket
import time

import pytest

from headrace.engines import ScriptedEngine
from wire_client import CHAT, HELLO

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
    return "\r\n".join([f"POST {CHAT} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""]).encode()


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
    offer = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n".encode()
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
    wrong = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    responses = send(client, wrong + head(f"Content-Length: {len(BODY)}") + BODY)

    assert f" {status} ".encode() in responses.splitlines()[0]
    assert responses.count(b"HTTP/1.1 200") == 1


def test_a_content_type_is_optional(serve):
    client = serve(ScriptedEngine("Hi"))

    assert client.post(CHAT, content=BODY).status_code == 200
