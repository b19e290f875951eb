"""HTTP/1.1 without I/O: requests as sent, responses at every cut. Sources: RFC 9112 and the tests of its implementations."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.http1 import MAX_HEAD, HeaderError, ProtocolError, ResponseReader, encode_request

HEAD = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def cuts(data):
    """Whole, byte by byte, and at every cut in two."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], data[at:]] for at in range(1, len(data)))


def read(pieces, method="POST"):
    """The reader and the body of a connection that brings these bytes and ends."""
    reader = ResponseReader(method)
    pieces = iter(pieces)
    while not reader.read_head(next(pieces, b"")):
        pass
    body = [reader.read_body()]
    body.extend(map(reader.read_body, pieces))
    reader.finish()
    return reader, b"".join(body)


# --- requests


def test_a_request_is_its_line_and_its_headers():
    head = encode_request(b"POST", b"/a/b?c=d", [(b"Host", b"x:8000"), (b"X-B", b"2")])

    assert head == b"POST /a/b?c=d HTTP/1.1\r\nHost: x:8000\r\nX-B: 2\r\n\r\n"


@pytest.mark.parametrize("value", [b"a\r\nX-C: 3", b"a\nb", b"a\0b", b"a\rb"])
def test_a_value_cannot_smuggle_another_header(value):
    with pytest.raises(HeaderError, match="X-B"):
        encode_request(b"GET", b"/", [(b"X-B", value)])


@pytest.mark.parametrize(
    ("method", "target"), [(b"GET", b"/a b"), (b"GET", b""), (b"G T", b"/"), (b"GET", b"/\r\n")]
)
def test_a_request_line_cannot_be_broken(method, target):
    with pytest.raises(HeaderError):
        encode_request(method, target, [])


@pytest.mark.parametrize("name", [b"X B", b"", b"X:B", b"X\n"])
def test_a_header_name_is_a_token(name):
    with pytest.raises(HeaderError):
        encode_request(b"GET", b"/", [(name, b"1")])


# --- responses that are right

BODIES = {
    "chunks": (CHUNKED + b"5\r\nHello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", b"Hello world", True),
    "sizes in hexadecimal": (
        CHUNKED + b"A\r\n0123456789\r\n0b\r\n0123456789a\r\n0\r\n\r\n",
        b"01234567890123456789a",
        True,
    ),
    "extensions and trailers": (
        CHUNKED + b'5;x=y;z\r\nHello\r\n1 ; a="b;\\""\r\n!\r\n0;z\r\nX-T: 1\r\nX-U:\r\n\r\n',
        b"Hello!",
        True,
    ),
    "line ends within chunks": (CHUNKED + b"6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", b"\r\n0\r\n\r", True),
    "an empty body of chunks": (CHUNKED + b"0\r\n\r\n", b"", True),
    "a counted body": (HEAD + b"Content-Length: 5\r\n\r\nHello", b"Hello", True),
    "a length stated twice": (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nHi", b"Hi", True),
    "an empty counted body": (HEAD + b"Content-Length: 0\r\n\r\n", b"", True),
    "everything until the connection ends": (HEAD + b"\r\nHello", b"Hello", False),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    "no reason phrase": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nHi", b"Hi", True),
    "interim responses": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
        + CHUNKED
        + b"2\r\nHi\r\n0\r\n\r\n",
        b"Hi",
        True,
    ),
    "bare line feeds in the head": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nHi", b"Hi", True),
    "Connection: close": (HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nHi", b"Hi", False),
    "close within a list": (
        HEAD + b"Connection: keep-alive, Close\r\nContent-Length: 2\r\n\r\nHi",
        b"Hi",
        False,
    ),
    "close before another option": (
        HEAD + b"Connection: close, x\r\nContent-Length: 2\r\n\r\nHi",
        b"Hi",
        False,
    ),
    "close in the first of two lines": (
        HEAD + b"Connection: close\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nHi",
        b"Hi",
        False,
    ),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nHi", b"Hi", False),
    "both framings": (
        HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nHi\r\n0\r\n\r\n",
        b"Hi",
        False,
    ),
    "bytes after a counted body": (
        HEAD + b"Content-Length: 2\r\n\r\nHiHTTP/1.1 200 OK\r\n\r\n",
        b"Hi",
        False,
    ),
    "bytes after an empty body": (HEAD + b"Content-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"", False),
    "bytes after the last chunk": (CHUNKED + b"2\r\nHi\r\n0\r\n\r\n\r\n", b"Hi", False),
    "bytes after no content": (b"HTTP/1.1 204 No Content\r\n\r\nbody", b"", False),
}


@pytest.mark.parametrize(("data", "body", "is_reusable"), BODIES.values(), ids=BODIES.keys())
def test_every_cut_gives_the_same_response(data, body, is_reusable):
    for pieces in cuts(data):
        reader, got = read(pieces)
        assert got == body, pieces
        assert reader.status in (200, 204)
        assert reader.is_done
        assert reader.is_reusable is is_reusable, pieces


def test_headers_keep_their_order_and_their_names():
    reader, _ = read([HEAD + b"Set-Cookie: a\r\nSet-Cookie:  b \r\nContent-Length: 0\r\n\r\n"])

    assert reader.headers == [
        (b"X-A", b"1"),
        (b"Set-Cookie", b"a"),
        (b"Set-Cookie", b"b"),
        (b"Content-Length", b"0"),
    ]
    assert reader.header(b"set-cookie") == b"a, b"
    assert reader.header(b"missing") == b""


def test_a_folded_header_is_one_value():
    reader, _ = read([HEAD + b"X-B: a\r\n \t b\r\nContent-Length: 0\r\n\r\n"])

    assert reader.header(b"x-b") == b"a b"


@pytest.mark.parametrize("line", [b"a: b%bc", b"a:%b\x00", b"a: b%b\x00", b"a: %b"])
@pytest.mark.parametrize("space", [b" ", b"\t ", b"\r"])
def test_white_space_in_a_head_is_read_once(line, space):
    """Otherwise this takes minutes."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n" + line % (space * (200_000 // len(space))) + b"\r\n\r\n"
    )
    try:
        assert read([head])
    except ProtocolError:
        assert b"\x00" in head or b"\r" in space


def test_the_response_to_head_has_no_body():
    reader, body = read([HEAD + b"Content-Length: 500\r\n\r\n"], "HEAD")

    assert body == b""
    assert reader.is_reusable


def test_an_error_in_the_body_does_not_cost_the_status():
    for pieces in ([CHUNKED + b"X\r\n"], [CHUNKED, b"X\r\n"]):
        reader = ResponseReader("POST")
        assert reader.read_head(pieces[0])
        assert reader.status == 200
        with pytest.raises(ProtocolError):
            reader.read_body(b"".join(pieces[1:]))


# --- responses that are wrong

BROKEN = {
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nX-A",
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "another major version": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "switched protocols": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a space in a header's name": b"HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nX-A : 1\r\n\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: 1\0\r\n\r\n",
    "a bare CR in a header": b"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nHi!",
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\nHi",
    "a length of 30 digits": HEAD + b"Content-Length: " + b"1" * 30 + b"\r\n\r\nHi",
    "another transfer coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "the transfer coding twice": HEAD
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a cut chunk": CHUNKED + b"5\r\nHel",
    "no last chunk": CHUNKED + b"5\r\nHello\r\n",
    "no end of the trailers": CHUNKED + b"0\r\nX: 1\r\n",
    "a cut counted body": HEAD + b"Content-Length: 9\r\n\r\nHello",
    "no size": CHUNKED + b"x\r\nHello\r\n",
    "an empty size": CHUNKED + b"\r\nHello\r\n",
    "a negative size": CHUNKED + b"-5\r\nHello\r\n",
    "a positive sign": CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "a prefix 0x": CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "an underscore in a size": CHUNKED + b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
    "white space before a size": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "a vertical tab before a size": CHUNKED + b"\x0b3\r\nabc\r\n0\r\n\r\n",
    "a bare LF after a size": CHUNKED + b"3\n\r\nabc\r\n0\r\n\r\n",
    "a size of 16 digits": CHUNKED + b"f" * 16 + b"\r\nabc",
    "two bytes other than CRLF after a chunk": CHUNKED + b"3\r\nabcXX0\r\n\r\n",
    "a bare CR after a chunk": CHUNKED + b"3\r\nabc\rX0\r\n\r\n",
    "a chunk longer than its size": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "an LF in an extension": CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "a NUL in an extension": CHUNKED + b"3;a=\0\r\nabc\r\n0\r\n\r\n",
    "an extension without a name": CHUNKED + b"3;\r\nabc\r\n0\r\n\r\n",
    "a trailer without a colon": CHUNKED + b"0\r\nno field\r\n\r\n",
    "a NUL in a trailer": CHUNKED + b"0\r\nX: \0\r\n\r\n",
    "a bare LF in a trailer": CHUNKED + b"0\r\nX: a\nY: b\r\n\r\n",
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_malformed_or_incomplete_response_is_an_error_at_every_cut(data):
    for pieces in cuts(data):
        with pytest.raises(ProtocolError, match="the server"):
            read(pieces)


@pytest.mark.parametrize("size", [1000, 60_000, 65_536, 10**6])
@pytest.mark.parametrize(("length", "fits"), [(MAX_HEAD - 200, True), (MAX_HEAD, False)])
def test_the_limit_of_a_head_does_not_depend_on_the_cuts(size, length, fits):
    data = HEAD + b"X: " + b"a" * length + b"\r\nContent-Length: 0\r\n\r\n"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    if fits:
        assert read(pieces)[0].status == 200
    else:
        with pytest.raises(ProtocolError, match=f"head of more than {MAX_HEAD} bytes"):
            read(pieces)


def test_interim_responses_count_towards_the_limit_of_a_head():
    reader = ResponseReader("GET")
    with pytest.raises(ProtocolError, match="head of more than"):
        for _ in range(100_000):
            assert not reader.read_head(b"HTTP/1.1 103 Early Hints\r\n\r\n")


@pytest.mark.parametrize(
    ("lead", "piece"),
    [
        (b"", b"1" * 65536),
        (b"3;x=", b"1" * 65536),
        (b"0\r\nX: ", b"1" * 65536),
        (b"0\r\n", b"X: y\r\n" * 10_000),
        (b"", b"1"),
    ],
)
def test_whatever_is_not_body_has_a_limit(lead, piece):
    reader = ResponseReader("GET")
    reader.read_head(CHUNKED)
    reader.read_body(lead)
    fed = 0
    with pytest.raises(ProtocolError, match=r"more than \d+"):
        while fed < 10**6:
            fed += len(piece)
            reader.read_body(piece)


def test_a_long_line_is_searched_once():
    """Byte by byte, as it may come: each read looks at a few bytes, not at the line so far."""

    class Counted(bytes):
        looked_at = 0

        def find(self, sub, start=0):
            Counted.looked_at += len(self) - start
            return super().find(sub, start)

        def __add__(self, other):
            return Counted(super().__add__(other))

        def __getitem__(self, key):
            return Counted(super().__getitem__(key)) if isinstance(key, slice) else super().__getitem__(key)

    reader = ResponseReader("GET")
    reader.read_head(CHUNKED)
    reader.read_body(Counted(b"3;x="))
    for _ in range(2000):
        reader.read_body(Counted(b"1"))

    assert Counted.looked_at < 5 * 2000


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=6), st.lists(st.integers(0, 300), max_size=5))
def test_whatever_the_chunks_and_the_cuts_the_body_is_their_sum(chunks, places):
    data = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    places = sorted({min(place, len(data)) for place in places} | {0, len(data)})
    reader, body = read([piece for start, end in pairwise(places) if (piece := data[start:end])])

    assert body == b"".join(chunks)
    assert reader.is_reusable


@given(st.binary(max_size=60), st.integers(0, 60))
def test_the_outcome_does_not_depend_on_a_cut(data, place):
    def outcome(pieces):
        try:
            reader, body = read(pieces)
        except ProtocolError:
            return None
        return reader.status, reader.headers, body, reader.is_reusable

    data = CHUNKED + data
    place = min(len(CHUNKED) + place, len(data))
    assert outcome([data]) == outcome([piece for piece in (data[:place], data[place:]) if piece])


@pytest.mark.parametrize("first", [b"\n", b"x", b";", b"\r\n", b"0\n"])
def test_bytes_that_are_no_chunk_are_an_error_however_many_arrive_at_once(first):
    for size in range(len(first) + 2, 300):
        reader = ResponseReader("GET")
        assert reader.read_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(ProtocolError):
            reader.read_body(first.ljust(size - 2, b"a") + b"\r\n")
