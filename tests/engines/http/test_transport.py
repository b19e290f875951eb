"""The HTTP client of upstreams: its connections, and servers that misbehave."""

import asyncio
import errno
from base64 import b64encode

import pytest
import uvloop

from headrace.engines.http import HttpTransport
from headrace.errors import EngineError
from headrace.http1 import MAX_HEAD
from raw_server import OK, Server, forever, replying, transports
from waiting import until_async

__all__ = ["transports"]


class Listener:
    def __init__(self):
        self.head = None
        self.body = b""
        self.ended = asyncio.get_running_loop().create_future()

    def on_head(self, head):
        assert self.head is None
        self.head = head

    def on_body(self, data):
        assert data
        assert not self.ended.done()
        self.body += data

    def on_end(self, error):
        self.ended.set_result(error)


# --- connections


async def test_a_request_and_its_response(transports):
    async with Server(forever) as server:
        transport = transports(f"http://user:pw@127.0.0.1:{server.port}/v1", key="the-key")
        listener = Listener()
        transport.post("chat/completions", b"{}", listener)
        assert await listener.ended is None

    line, fields, body = server.requests[0]
    assert line == "POST /v1/chat/completions HTTP/1.1"
    assert fields["host"] == f"127.0.0.1:{server.port}"
    assert fields["authorization"] == "bearer the-key"
    assert fields["accept-encoding"] == "identity"
    assert body == b"{}"
    assert (listener.head.status, listener.body) == (200, b"ok")


async def test_a_user_and_a_password_are_sent_without_a_key(transports):
    async with Server(forever) as server:
        listener = Listener()
        transports(f"http://me:p%40w@127.0.0.1:{server.port}").post("models", b"", listener)
        assert await listener.ended is None

    assert server.requests[0][1]["authorization"] == f"Basic {b64encode(b'me:p@w').decode()}".lower()


async def test_a_connection_is_reused(transports):
    async with Server(forever) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        assert [await transport.get("models") for _ in range(3)] == [b"ok"] * 3

    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, close\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n\r\n",
    ],
)
async def test_a_connection_is_not_reused(transports, reply):
    async with Server(replying(reply)) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        assert [await transport.get("models") for _ in range(2)] == [b"ok"] * 2

    assert server.connections == 2


async def test_bytes_on_an_idle_connection_are_never_the_next_response(transports):
    poisoned = asyncio.Event()

    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(OK)
        if server.connections == 1:
            await asyncio.sleep(0.01)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            await writer.drain()
            poisoned.set()
        await server.read_request(reader)

    async with Server(script) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        assert await transport.get("models") == b"ok"
        await poisoned.wait()
        assert await transport.get("models") == b"ok"

    assert server.connections == 2


async def test_an_idle_connection_that_the_server_closed_is_replaced(transports):
    async with Server(replying(OK)) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        for _ in range(4):
            assert await transport.get("models") == b"ok"

    assert server.connections == 4


async def test_idle_connections_are_closed_one_after_the_other(transports, monkeypatch):
    closed = []

    async def script(server, reader, writer):
        number = server.connections
        await server.read_request(reader)
        if number == 1:
            await asyncio.sleep(0.05)
        writer.write(OK)
        assert await reader.read() == b""
        closed.append(number)

    monkeypatch.setattr("headrace.engines.http.pool._IDLE_TIMEOUT", 0.1)
    async with Server(script) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        await asyncio.gather(transport.get("models"), transport.get("models"))
        while len(closed) < 2:
            await asyncio.sleep(0.005)

    assert closed == [2, 1]


async def test_a_request_is_not_repeated_once_a_byte_of_the_response_arrived(transports):
    async with Server(replying(OK, b"HTTP/1.1 2")) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        await transport.get("models")
        with pytest.raises(EngineError, match="closed"):
            await transport.get("models")

    assert len(server.requests) == 2


async def test_an_open_connection_that_times_out_is_not_named_one_that_was_not_established(transports):
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na")
        await reader.read()

    async with Server(script) as server:
        listener = Listener()
        run = transports(f"http://127.0.0.1:{server.port}").post("x", b"", listener)
        while not listener.body:
            await asyncio.sleep(0.001)
        run._connection.connection_lost(OSError(errno.ETIMEDOUT, "as uvloop reports TCP_USER_TIMEOUT"))
        error = await listener.ended

    assert error.message.endswith("lost: connection timed out")


async def test_stop_closes_the_connection_and_ends_once(transports):
    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nbeginning")
        assert await reader.read() == b""
        closed.set()

    closed = asyncio.Event()
    async with Server(script) as server:
        listener = Listener()
        run = transports(f"http://127.0.0.1:{server.port}").post("x", b"", listener)
        await until_async(lambda: listener.body)
        run.stop()
        run.stop()
        assert not listener.ended.done()  # never from within `stop`
        assert await listener.ended is None
        await asyncio.wait_for(closed.wait(), 5)


@pytest.mark.parametrize("delay", [0, 0.001, 0.01])
async def test_stop_while_connecting(transports, delay):
    async with Server(forever) as server:
        listener = Listener()
        run = transports(f"http://127.0.0.1:{server.port}").post("x", b"", listener)
        await asyncio.sleep(delay)
        run.stop()
        assert await listener.ended is None


async def test_pause_stops_the_flow_and_resume_continues_it(transports):
    sent = 0

    async def script(server, reader, writer):
        nonlocal sent
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with Server(script) as server:
        listener = Listener()
        run = transports(f"http://127.0.0.1:{server.port}").post("x", b"", listener)
        await until_async(lambda: listener.head)
        run.pause()
        before = -1
        while sent != before:  # until the buffers of the kernel are full
            before = sent
            await asyncio.sleep(0.2)
        received = len(listener.body)
        await asyncio.sleep(0.1)
        assert len(listener.body) == received
        run.resume()
        assert await asyncio.wait_for(listener.ended, 20) is None
        assert len(listener.body) == 400 * 65536


# --- servers that misbehave: bounded memory, an error that names the limit, the next request is fine


async def flooding(head, piece):
    async def script(server, reader, writer):
        await server.read_request(reader)
        if server.connections > 1:
            writer.write(OK)
            return
        writer.write(head)
        for _ in range(100_000_000 // len(piece)):
            writer.write(piece)
            await writer.drain()

    return script


@pytest.mark.parametrize(
    ("head", "piece", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000, f"head of more than {MAX_HEAD} bytes"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"y" * 65536, f"head of more than {MAX_HEAD} bytes"),
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, f"head of more than {MAX_HEAD} bytes"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1" * 65536,
            "chunk size line of more than",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X: y\r\n" * 10_000,
            "trailers of more than",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\n",
            b"x" * 65536,
            "more than 12 digits",
        ),
    ],
)
async def test_a_flood_of_what_is_not_body_is_an_error_and_the_next_request_is_fine(
    transports, head, piece, error
):
    async with Server(await flooding(head, piece)) as server:
        transport = transports(f"http://127.0.0.1:{server.port}")
        with pytest.raises(EngineError, match=error):
            await transport.get("models")
        assert await transport.get("models") == b"ok"


SIZE = 30_000_000


class Turns(Listener):
    """Counts the turns of the loop, and notes in which ones a part of the body came."""

    def __init__(self):
        super().__init__()
        self.turn = 0
        self.of_parts = []

    def on_body(self, data):
        self.of_parts.append(self.turn)


def test_other_connections_have_their_turn_between_two_reads_of_a_flood():
    async def read():
        async with Server(
            replying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (SIZE, bytes(SIZE)))
        ) as server:
            transport, listener = HttpTransport(f"http://127.0.0.1:{server.port}"), Turns()
            transport.post("x", b"", listener)
            while not listener.ended.done():
                listener.turn += 1
                await asyncio.sleep(0)
            await transport.close()
            return listener.of_parts

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        turns = runner.run(read())

    assert len(turns) > SIZE / 256_000
    assert len(set(turns)) == len(turns)
