"""A TCP proxy between clients and replicas that cuts connections when it is told to."""

import asyncio
import contextlib
import random
from collections.abc import Sequence


class Proxy:
    """Passes each connection on to a port at random; to another, if the first does not answer.

    Args:
        ports: of the replicas.
        chance: decides.
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
        """Cut a connection, in the middle of whatever it carries; how many there were to cut."""
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
    """Until either side ends; then both do."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
