"""Which requests a connection carries, and what answers those that are not HTTP."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from http_connections import HEAD, Server, cut, feed

GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
REQUESTS = {
    GET: ("/a", b""),
    HEAD + b"Content-Length: 3\r\n\r\nabc": ("/x", b"abc"),
    CHUNKED + b"2\r\nde\r\n1;ext=1\r\nf\r\n0\r\n\r\n": ("/x", b"def"),
    CHUNKED + b"2\r\ngh\r\n0\r\nAuthorization: Bearer k\r\nContent-Encoding: gzip\r\n\r\n": ("/x", b"gh"),
    b"GET http://localhost HTTP/1.1\r\nHost: other\r\n\r\n": ("/", b""),
    b"GET http://localhost?b HTTP/1.1\r\nHost: localhost\r\n\r\n": ("/", b""),
    b"GET HTTP://localhost:1/c?d HTTP/1.1\r\nHost: localhost\r\n\r\n": ("/c", b""),
    GET[:-2] + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n": ("/a", b""),
    GET[:-2] + b"Upgrade: h2c\r\n\r\n": ("/a", b""),
}
BROKEN = {
    b"GARBAGE\r\n\r\n": 400,
    b"GET /a\r\n\r\n": 505,
    b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET a:b:c HTTP/1.1\r\nHost: localhost\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n": 400,
    b"GET /a HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n": 400,
    HEAD + b"Authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n": 400,
    HEAD + b"api-key: a\r\nApi-Key: b\r\n\r\n": 400,
    HEAD + b"X-Api-Key: a\r\nX-Api-Key: b\r\n\r\n": 400,
    HEAD + b"Origin: http://localhost\r\nOrigin: http://a\r\n\r\n": 400,
    HEAD + b"Content-Type: a\r\nContent-Type: b\r\n\r\n": 400,
    HEAD + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n": 400,
    HEAD + b"Content-Length: +3\r\n\r\nabc": 400,
    HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n": 501,
    HEAD + b"Bad Name: x\r\n\r\n": 400,
    HEAD + b"X: a\x00b\r\n\r\n": 400,
    b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n": 501,
    b"GET /a HTTP/2.0\r\nHost: localhost\r\n\r\n": 505,
    CHUNKED + b"x": 400,
    CHUNKED + b"1\r\nabc": 400,
}
SIZES = st.lists(st.integers(1, 200), max_size=8)


async def exchange(data, sizes):
    """Deliver bytes in pieces; return what was sent, and the requests that the application got."""
    server = Server()
    connection = server.connect()
    await feed(connection, *cut(data, sizes))
    for _ in range(20):
        await asyncio.sleep(0)
    return connection, server.requests


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=6), SIZES)
def test_pipelined_requests_are_answered_in_order_in_every_cut(requests, sizes):
    connection, received = asyncio.run(exchange(b"".join(requests), sizes))

    assert connection.statuses == [200] * len(requests)
    assert [(path, body) for path, _, body in received] == [REQUESTS[request] for request in requests]
    for _, headers, _ in received:
        names = {name for name, _ in headers}
        assert not names & {b"authorization", b"content-encoding"}
        assert dict(headers)[b"host"].startswith(b"localhost")
    assert not connection.is_closing()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(REQUESTS)), max_size=3), st.sampled_from(sorted(BROKEN)), SIZES)
def test_a_request_that_is_not_http_gets_its_error_after_the_answers_before_it(requests, broken, sizes):
    connection, received = asyncio.run(exchange(b"".join([*requests, broken, GET]), sizes))

    assert connection.statuses == [*[200] * len(requests), BROKEN[broken]]
    assert connection.error["code"] == "1210"
    assert connection.written.count(b"content-type: application/json; charset=UTF-8\r\n") == 1
    assert connection.has_ended
    assert len(received) == len(requests)


async def test_a_request_that_breaks_while_it_is_read_gets_no_second_answer():
    server = Server(early=True)
    server.is_answering.clear()
    connection = server.connect()
    await feed(connection, CHUNKED, b"20000\r\n%b\r\nx" % (b"x" * 0x20000))
    server.is_answering.set()
    await feed(connection)

    assert connection.statuses == [400]
    assert not connection.is_paused


async def test_a_body_that_breaks_after_its_answer_gets_no_second_answer():
    server = Server(early=True)
    connection = server.connect()
    await feed(connection, CHUNKED, b"x")

    assert connection.statuses == [200]
    assert connection.is_closing()


@pytest.mark.parametrize("sizes", [[], [len(GET)], [len(GET), 5]])
@pytest.mark.parametrize(
    "behind", [GET, HEAD, HEAD + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000, b"GARBAGE"]
)
@pytest.mark.parametrize("app", [{"early": True}, {"receives": True}])
async def test_a_disconnect_is_seen_behind_pipelined_requests(sizes, behind, app):
    server = Server(**app)
    server.is_answering.clear()
    connection = server.connect()
    gone = asyncio.Event()
    connection.protocol.watch(gone.set, lambda: None)
    await feed(connection, *cut(GET + behind, sizes))

    assert not connection.is_paused  # or the end of the stream would not be read
    connection.close()
    await feed(connection)
    assert gone.is_set()
    assert server.disconnects == ("receives" in app)
    assert len(server.requests) == 1


async def test_what_waits_behind_an_answer_is_limited():
    server = Server()
    server.is_answering.clear()
    connection = server.connect()
    await feed(connection, GET)
    for _ in range(1000):
        await feed(connection, GET * 100)
    server.is_answering.set()
    await feed(connection)

    assert connection.statuses == [200, 431]
    assert "bytes wait" in connection.error["message"]
