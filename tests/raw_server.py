"""A server of raw bytes for tests of HTTP clients, and the fixture that opens clients for it."""

import asyncio

import pytest

from headrace.engines.http import HttpTransport

__all__ = ["OK", "Server", "forever", "replying", "transports"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """A raw server: `script(reader, writer, number of the connection)` runs for each connection."""

    def __init__(self, script, *, host="127.0.0.1", context=None):
        self.script = script
        self.host = host
        self.context = context
        self.connections = 0
        self.requests = []
        self.accepted = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._accept, self.host, 0, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        await asyncio.sleep(0.01)
        for _ in range(10):
            await asyncio.sleep(0)  # a socket that was accepted without a writer would leak
        self.server.close()
        for task, writer in self.accepted:
            task.cancel()
            writer.close()

    def _accept(self, reader, writer):
        self.accepted.append((asyncio.create_task(self._serve(reader, writer)), writer))

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            await self.script(self, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def read_request(self, reader):
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        self.requests.append((lines[0], fields, body))
        return lines[0]


def replying(*replies):
    """Answer each request of a connection with the next reply; then close it."""

    async def script(server, reader, writer):
        for reply in replies:
            await server.read_request(reader)
            writer.write(reply)
            await writer.drain()

    return script


async def forever(server, reader, writer):
    while True:
        await server.read_request(reader)
        writer.write(OK)


@pytest.fixture
async def transports():
    made = []

    def make(url, **options):
        made.append(HttpTransport(url, **options))
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
    await asyncio.sleep(0)
