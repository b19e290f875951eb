"""The blocking and the asyncio transport have the same results with every server."""

import time

import pytest

from raw_peers import OK, outcomes, read_request


def test_bytes_on_an_idle_connection_are_never_the_next_response():
    def script(connection, number):
        while True:
            read_request(connection)
            connection.sendall(OK)
            if number == 1:
                time.sleep(0.05)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")

    assert list(outcomes(script, pause=0.3)) == [([b"ok", b"ok"], 2)] * 2


@pytest.mark.parametrize(
    ("response", "connections"),
    [
        (OK, 1),
        (OK + b"surplus", 2),
        (b"HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 2\r\n\r\nok", 2),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n", 2),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 2),
    ],
)
def test_a_connection_is_reused_only_if_nothing_speaks_against_it(response, connections):
    def script(connection, number):
        while True:
            read_request(connection)
            connection.sendall(response)

    assert list(outcomes(script, pause=0.05)) == [([b"ok", b"ok"], connections)] * 2


def test_the_limit_of_a_head_is_for_all_of_it():
    """A byte every 50 ms: no read takes long, the head does."""

    def script(connection, number):
        read_request(connection)
        for byte in OK * 20:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    assert list(outcomes(script, read=0.3)) == [("TimeoutError", 1)] * 2
