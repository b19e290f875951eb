"""Servers of raw bytes in threads, and what both transports of the SDK get from them."""

import asyncio
import contextlib
import socket
import threading
import time

import httpx2

from zai.http.async_http1_transport import AsyncHttp1Transport
from zai.http.http1_transport import Http1Transport

__all__ = ["OK", "Peer", "outcomes", "read_request"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server of raw bytes: `script(connection, number)` serves each connection."""

    def __init__(self, script):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        self.connections = 0
        self.script = script
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection, self.connections), daemon=True).start()

    def _run(self, connection, number):
        with contextlib.suppress(OSError), connection:
            self.script(connection, number)


def read_request(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            raise OSError
        data += received


def request(url, read):
    timeout = {"connect": 5.0, "read": read, "write": 5.0, "pool": 5.0}
    return httpx2.Request("GET", url, extensions={"timeout": timeout})


def get_twice(url, read, pause):
    transport = Http1Transport()
    bodies = []
    for _ in range(2):
        response = transport.handle_request(request(url, read))
        bodies.append(b"".join(response.stream))
        response.stream.close()
        time.sleep(pause)
    transport.close()
    return bodies


async def get_twice_async(url, read, pause):
    transport = AsyncHttp1Transport()
    bodies = []
    for _ in range(2):
        response = await transport.handle_async_request(request(url, read))
        bodies.append(b"".join([data async for data in response.stream]))
        await response.stream.aclose()
        await asyncio.sleep(pause)
    await transport.aclose()
    return bodies


def outcomes(script, *, read=10.0, pause=0.0):
    """Return the result of each transport with a new server: the bodies, or the type of the exception."""
    for get in (get_twice, lambda *options: asyncio.run(get_twice_async(*options))):
        peer = Peer(script)
        try:
            yield get(peer.url, read, pause), peer.connections
        except (TimeoutError, httpx2.HTTPError) as error:
            yield type(error).__name__, peer.connections
        finally:
            peer.socket.close()
