"""HTTP/1.1 without I/O: requests, and responses in every split."""

from itertools import pairwise

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zai.http.http1 import RequestResponseCycle

HEAD = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def cuts(data):
    """Yield the data in one, byte by byte, and in every split in two."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], data[at:]] for at in range(1, len(data)))


def cycle_for(method="POST", url="http://host:8000/a/b?c=d", **options):
    return RequestResponseCycle(httpx2.Request(method, url, **options))


def read(cycle, parts):
    """Read like the transports do: the head, then the body."""
    parts = iter(parts)
    first = None
    while first is None:
        first = cycle.feed_head(next(parts, b""))
    body = [first]
    for part in parts:
        if cycle.body.is_done:
            break
        body.append(cycle.body.feed(part))
    else:
        if not cycle.body.is_done:
            cycle.check_eof()
    return b"".join(body)


def test_a_request_is_encoded_with_its_headers_and_body():
    sent = cycle_for(json={"é": 1}, headers={"X-B": "2"}).encode()

    head, _, body = sent.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a/b?c=d HTTP/1.1"
    assert {line.lower() for line in lines[1:]} >= {b"host: host:8000", b"x-b: 2", b"content-length: 8"}
    assert body == '{"é":1}'.encode()


def test_a_request_without_a_body_ends_with_its_head():
    assert cycle_for("GET").encode().endswith(b"\r\n\r\n")


@pytest.mark.parametrize("value", ["a\r\nX-C: 3", "a\nb", "a\0b"])
def test_a_header_cannot_inject_another(value):
    with pytest.raises(httpx2.LocalProtocolError):
        cycle_for(headers={"X-B": value}).encode()


BODIES = {
    "chunks": (CHUNKED + b"5\r\nHello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", b"Hello world", True),
    "sizes in hexadecimal": (
        CHUNKED + b"A\r\n0123456789\r\n0b\r\n0123456789a\r\n0\r\n\r\n",
        b"01234567890123456789a",
        True,
    ),
    "extensions and trailers": (
        CHUNKED + b"5;x=y\r\nHello\r\n0;z\r\nX-T: 1\r\nX-U: 2\r\n\r\n",
        b"Hello",
        True,
    ),
    "line ends within chunks": (CHUNKED + b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", b"\r\n0\r\n\r", True),
    "an empty body of chunks": (CHUNKED + b"0\r\n\r\n", b"", True),
    "a counted body": (HEAD + b"Content-Length: 5\r\n\r\nHello", b"Hello", True),
    "an empty counted body": (HEAD + b"Content-Length: 0\r\n\r\n", b"", True),
    "everything up to the end": (HEAD + b"\r\nHello", b"Hello", False),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "an interim answer": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n"
        + CHUNKED
        + b"2\r\nHi\r\n0\r\n\r\n",
        b"Hi",
        True,
    ),
    "line feeds alone in the head": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nHi", b"Hi", True),
    "a connection that will be closed": (
        HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nHi",
        b"Hi",
        False,
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nHi", b"Hi", False),
}


@pytest.mark.parametrize(("data", "body", "is_reusable"), BODIES.values(), ids=BODIES.keys())
def test_every_split_gives_the_same_response(data, body, is_reusable):
    for parts in cuts(data):
        cycle = cycle_for()
        cycle.encode()
        assert read(cycle, parts) == body, parts
        assert cycle.status in (200, 204)
        assert cycle.is_reusable == is_reusable


def test_headers_keep_their_case_and_order():
    cycle = cycle_for()
    cycle.encode()
    cycle.feed_head(HEAD + b"Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n")

    assert cycle.headers[0] == (b"X-A", b"1")
    assert [value for name, value in cycle.headers if name == b"Set-Cookie"] == [b"a", b"b"]


def test_the_response_to_head_has_no_body():
    cycle = cycle_for("HEAD")
    cycle.encode()

    assert read(cycle, [HEAD + b"Content-Length: 500\r\n\r\n"]) == b""
    assert cycle.is_reusable


BROKEN = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nX-A",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n\r\n",
    "an odd header": b"HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
    "a cut chunk": CHUNKED + b"5\r\nHel",
    "no last chunk": CHUNKED + b"5\r\nHello\r\n",
    "a cut counted body": HEAD + b"Content-Length: 9\r\n\r\nHello",
    "no size": CHUNKED + b"x\r\nHello\r\n",
    "a negative size": CHUNKED + b"-5\r\nHello\r\n",
    "an empty size": CHUNKED + b"\r\nHello\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_an_invalid_or_truncated_response_raises_in_every_split(data):
    for parts in cuts(data):
        cycle = cycle_for()
        cycle.encode()
        with pytest.raises(httpx2.RemoteProtocolError, match="the server"):
            read(cycle, parts)


def test_an_endless_head_raises():
    cycle = cycle_for()
    cycle.encode()
    with pytest.raises(httpx2.RemoteProtocolError):
        for _ in range(10_000):
            cycle.feed_head(b"X: " + b"y" * 97)


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6), st.lists(st.integers(0, 300), max_size=5))
def test_the_body_is_the_sum_of_its_chunks_in_any_split(chunks, places):
    data = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    places = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    parts = [part for start, end in pairwise(places) if (part := data[start:end])]
    cycle = cycle_for()
    cycle.encode()

    assert read(cycle, parts) == b"".join(chunks)
    assert cycle.is_reusable
