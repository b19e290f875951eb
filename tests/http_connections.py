"""Connections to an application through the server's HTTP protocol, without sockets."""

import asyncio
import json
import re

from uvicorn import Config
from uvicorn.server import ServerState

from headrace.server import Settings
from headrace.server.connections import Connections
from headrace.server.http_protocol import HttpProtocol, Limits

__all__ = ["HEAD", "IDLE", "MAX_FIELDS", "MAX_HEAD", "REQUEST", "Server", "cut", "feed"]

IDLE, REQUEST = 75.0, 60.0
MAX_HEAD, MAX_FIELDS = Settings().max_head_size, Settings().max_header_fields
HEAD = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"


class Transport(asyncio.Transport):
    """Remembers what was written, and when it was closed."""

    def __init__(self, address="192.0.2.1"):
        super().__init__()
        self.protocol = None
        self.written = b""
        self.closed_at = None
        self.has_ended = self.is_paused = False
        self._address = address

    def get_extra_info(self, name, default=None):
        return (self._address, 1) if name == "peername" else default

    def write(self, data):
        self.written += data

    def can_write_eof(self):
        return True

    def write_eof(self):
        self.has_ended = True

    def is_closing(self):
        return self.closed_at is not None

    def close(self):
        if self.closed_at is None:
            loop = asyncio.get_running_loop()
            self.closed_at = loop.time()
            loop.call_soon(self.protocol.connection_lost, None)

    abort = close

    def pause_reading(self):
        self.is_paused = True

    def resume_reading(self):
        self.is_paused = False

    @property
    def statuses(self):
        return [int(status) for status in re.findall(rb"HTTP/1.1 (\d+)", self.written)]

    @property
    def error(self):
        return json.loads(self.written.rpartition(b"\r\n\r\n")[2])["error"]


class Server:
    """Connections to an application that keeps the requests that it gets.

    `early`: it answers before the body. `receives`: while it answers, it waits for the disconnect as ASGI has it.
    `app`: another application.
    """

    def __init__(self, most=100, most_per_address=100, *, early=False, receives=False, app=None):
        self.requests = []
        self.disconnects = 0
        self._early = early
        self._receives = receives
        self.is_answering = asyncio.Event()
        self.is_answering.set()
        connections = Connections(most, most_per_address)
        self._limits = Limits(connections, REQUEST, MAX_HEAD, MAX_FIELDS, lambda *_: None)
        self._config = Config(
            app or self._app,
            interface="asgi3",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            log_config=None,
            timeout_keep_alive=IDLE,
        )
        self._state = ServerState()

    def connect(self, address="192.0.2.1"):
        transport = Transport(address)
        transport.protocol = HttpProtocol(
            self._limits,
            config=self._config,
            server_state=self._state,
            app_state={},
            _loop=asyncio.get_running_loop(),
        )
        transport.protocol.connection_made(transport)
        return transport

    async def _app(self, scope, receive, send):
        body = b""
        while not self._early:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.requests.append((scope["path"], scope["headers"], body))
        if self._receives and (await receive())["type"] == "http.disconnect":
            self.disconnects += 1
            return
        await self.is_answering.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def feed(transport, *pieces):
    """Deliver reads, as long as the connection is open."""
    for piece in pieces:
        if not transport.is_closing():
            transport.protocol.data_received(piece)
        await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)


def cut(data, sizes):
    """Cut bytes into pieces of these sizes, and the rest."""
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in [*pieces, data] if piece]
