"""HTTP/1.1 under httpx2's requests and exceptions; tests/test_http1.py has the protocol itself."""

import httpx2
import pytest

from zai.http.http1 import RequestResponseCycle

HEAD = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n"


def cycle_for(method="POST", url="http://host:8000/a/b?c=d", **options):
    return RequestResponseCycle(httpx2.Request(method, url, **options))


def test_a_request_is_encoded_with_its_headers_and_body():
    data = cycle_for(json={"é": 1}, headers={"X-B": "2"}).encode()

    head, _, body = data.partition(b"\r\n\r\n")
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


def test_a_response_is_read_in_any_split():
    data = HEAD + b"5\r\nHello\r\n0\r\n\r\n"
    for at in range(1, len(data)):
        cycle = cycle_for()
        pieces = iter([data[:at], data[at:]])
        while not cycle.feed_head(next(pieces)):
            pass
        body = cycle.feed_body() + b"".join(map(cycle.feed_body, pieces))

        assert (cycle.response.status, cycle.response.headers[0], body) == (200, (b"X-A", b"1"), b"Hello")
        assert cycle.response.is_done
        assert cycle.response.is_reusable


@pytest.mark.parametrize("data", [b"", b"SSH-2.0\r\n\r\n", b"HTTP/2.0 200 OK\r\n\r\n"])
def test_an_invalid_head_is_httpx2s_error(data):
    with pytest.raises(httpx2.RemoteProtocolError, match="the server"):
        cycle_for().feed_head(data)


def test_an_invalid_or_incomplete_body_is_httpx2s_error_and_the_status_is_known():
    for step in (lambda cycle: cycle.feed_body(b"X\r\n"), lambda cycle: cycle.finish()):
        cycle = cycle_for()
        assert cycle.feed_head(HEAD)
        assert cycle.response.status == 200
        with pytest.raises(httpx2.RemoteProtocolError, match="the server"):
            step(cycle)
