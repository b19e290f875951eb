"""A TCP proxy between clients and replicas that cuts connections on request."""

import asyncio
import contextlib
import random
from collections.abc import Sequence


class Proxy:
    """Forwards each connection to a random port, or to another one if that port does not accept it.

    Args:
        ports: of the replicas.
        chance: the random number generator.
    """

    def __init__(self, ports: Sequence[int], chance: random.Random) -> None:
        self.port = 0
        self.accepted = 0
        self._ports = ports
        self._chance = chance
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        while self._open:
            self.cut_one()

    def cut_one(self) -> int:
        """Cut a random connection, even within a message; return 0 if there is none, else 1."""
        if not self._open:
            return 0
        client = self._chance.choice(sorted(self._open, key=id))
        self._open.discard(client)
        client.transport.abort()
        return 1

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        for port in self._chance.sample(self._ports, len(self._ports)):
            try:
                upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self._open.add(writer)
            await asyncio.gather(_copy(reader, upstream_writer), _copy(upstream_reader, writer))
            self._open.discard(writer)
            return
        writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy bytes until either side closes, then close both."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
