"""What a client may send, in bytes and time, before its request is complete; measured on the protocol itself."""

import asyncio
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.server.request_head import MAX_TARGET
from http_connections import HEAD, IDLE, MAX_FIELDS, MAX_HEAD, REQUEST, Server, cut, feed
from virtual_time import virtual_time

__all__ = ["virtual_time"]

DOCS = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")


def test_the_fixed_limits_are_documented():
    assert f"| size of a URL | {MAX_TARGET // 1024} KiB | 414: 1210 |" in DOCS


# --- bytes ------------------------------------------------------------------------------------------------

FILLER = b"x" * 1000
BIG = {
    414: b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"x" * MAX_TARGET),
    431: HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(MAX_FIELDS)) + b"\r\n",
    4310: HEAD + b"X: %b\r\n\r\n" % (b"x" * MAX_HEAD),
    4311: HEAD
    + b"".join(b"X-%d: %b\r\n" % (number, FILLER) for number in range(MAX_HEAD // 1000 + 1))
    + b"\r\n",
    4312: HEAD + b"%b: x\r\n\r\n" % (b"x" * MAX_HEAD),
}


@pytest.mark.parametrize("status", BIG)
@pytest.mark.parametrize("size", [97, 4096, 65_536, 1_000_000])
async def test_a_head_that_is_too_large_gets_one_error_however_it_is_cut(status, size):
    server = Server()
    connection = server.connect()
    await feed(connection, *cut(BIG[status], [size] * (len(BIG[status]) // size)))

    assert connection.statuses == [int(str(status)[:3])]
    assert connection.error["code"] == "1210"
    assert connection.has_ended
    assert server.requests == []


@pytest.mark.parametrize(
    "endless",
    [
        b"",
        b"GET /",
        b"GET / HTTP/1.1\r\nX: ",
        b"GET / HTTP/1.1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
@pytest.mark.parametrize("filler", [b"x", b"x: y\r\n", b"\r\n", b" "])
async def test_nothing_without_end_is_read_without_end(endless, filler):
    connection = Server().connect()
    await feed(connection, endless)
    read = 0
    while not connection.has_ended and not connection.is_closing() and read < 3 * MAX_HEAD:
        await feed(connection, filler * (1000 // len(filler)))
        read += 1000

    assert read <= MAX_HEAD + MAX_TARGET + 2000


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=12), st.integers(0, MAX_FIELDS - 3), st.integers(0, 60_000))
def test_a_head_within_the_limits_is_accepted_in_every_cut(sizes, fields, length):
    head = HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(fields))
    request = head + b"Y: %b\r\nContent-Length: 4\r\n\r\nbody" % (b"y" * length)

    async def answer():
        server = Server()
        connection = server.connect()
        await feed(connection, *cut(request * 3, sizes))
        return connection.statuses, [body for _, _, body in server.requests]

    assert asyncio.run(answer()) == ([200] * 3, [b"body"] * 3)


# --- time -------------------------------------------------------------------------------------------------

UNFINISHED = {
    "nothing": (b"", IDLE, []),
    "a request line": (b"GET / HT", REQUEST, [408]),
    "headers": (b"GET / HTTP/1.1\r\nHost: lo", REQUEST, [408]),
    "a head": (HEAD + b"Content-Length: 9\r\n\r\n", REQUEST, [408]),
    "half a body": (HEAD + b"Content-Length: 9\r\n\r\nabc", REQUEST, [408]),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc", REQUEST, [408]),
    "no trailers": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", REQUEST, [408]),
    "a request": (HEAD + b"\r\n", IDLE, [200]),
    "a request and a half": (HEAD + b"\r\n" + HEAD, REQUEST, [200, 408]),
}


@pytest.mark.parametrize("case", UNFINISHED)
async def test_a_connection_whose_client_stops_sending_is_closed(case, virtual_time):
    data, seconds, statuses = UNFINISHED[case]
    server = Server()
    connection = server.connect()
    started = asyncio.get_running_loop().time()
    if data:
        await feed(connection, data)
    while not connection.is_closing():
        await asyncio.sleep(1)

    assert connection.statuses == statuses
    assert connection.closed_at - started == pytest.approx(seconds + 5 * (408 in statuses), abs=0.1)


@pytest.mark.parametrize("request_of", [b"GET / HTTP/1.1\r\n%b", HEAD + b"Content-Length: 60000\r\n\r\n%b"])
async def test_single_bytes_do_not_extend_the_time_of_a_request(request_of, virtual_time):
    connection = Server().connect()
    started = asyncio.get_running_loop().time()
    await feed(connection, request_of % b"x")
    while not connection.statuses:
        await asyncio.sleep(1)
        await feed(connection, b"x")

    assert connection.statuses == [408]
    assert asyncio.get_running_loop().time() - started == pytest.approx(REQUEST, abs=2)


async def test_a_body_may_take_long_if_it_advances(virtual_time):
    server = Server()
    connection = server.connect()
    await feed(connection, HEAD + b"Content-Length: %d\r\n\r\n" % (20 * 65_536))
    for _ in range(20):
        await asyncio.sleep(REQUEST - 1)
        await feed(connection, b"x" * 65_536)

    assert connection.statuses == [200]
    assert len(server.requests[0][2]) == 20 * 65_536


# --- numbers ----------------------------------------------------------------------------------------------


async def answer_of(server, address="192.0.2.1"):
    connection = server.connect(address)
    await feed(connection, HEAD + b"Connection: close\r\n\r\n")
    return connection.statuses


@pytest.mark.parametrize("sent", [b"", b"GET / HT", HEAD + b"Content-Length: 9\r\n\r\nabc", HEAD + b"\r\n"])
@pytest.mark.parametrize("limits", [{"most": 20}, {"most_per_address": 20}])
async def test_connections_without_a_request_keep_no_client_out(sent, limits, caplog):
    server = Server(**limits)
    idle = []
    for _ in range(50):
        idle.append(server.connect())
        if sent:
            await feed(idle[-1], sent)

    assert [await answer_of(server) for _ in range(5)] == [[200]] * 5
    closed = [connection.is_closing() for connection in idle]
    assert closed == sorted(closed, reverse=True)  # those that had waited longest
    assert sum(closed) >= 30
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_connection_is_refused_if_all_others_have_requests(caplog):
    server = Server(most=5, most_per_address=3)
    server.is_answering.clear()
    for address in ["192.0.2.1"] * 3 + ["192.0.2.2"] * 2:
        await feed(server.connect(address), HEAD + b"\r\n")
    refused = [server.connect(address) for address in ("192.0.2.1", "192.0.2.3")]

    assert [(each.statuses, each.error["code"]) for each in refused] == [([503], "1302")] * 2
    assert all(re.search(rb"retry-after: ([5-9]|10)\r\n", each.written) for each in refused)
    assert "3 from 192.0.2.1" in refused[0].error["message"]
    assert "--max-connections-per-address" in caplog.text
    server.is_answering.set()
    await feed(refused[0])
    assert await answer_of(server, "192.0.2.1") == [200]
