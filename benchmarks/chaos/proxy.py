"""A TCP proxy between one client and the replicas, which cuts connections at chosen bytes of the response."""

import asyncio
import contextlib
import random
import re
from collections.abc import Mapping, Sequence
from typing import Final, Self

__all__ = ["CUTS", "Proxy"]

CUTS: Final[Mapping[str, re.Pattern[bytes]]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "before the response": rb"",
        "in the head": rb"HTTP/1\.1 2",
        "after the head": rb"\r\n\r\n",
        "in a chunk-size line": rb"\r\n[0-9a-f](?=[0-9a-f]\w*\r\n(?:id|data|event|:))",
        "between CR and LF": rb"\r\n[0-9a-f]+\r",
        "in an id": rb"id: [^\n]",
        "after an id": rb"id: [^\n]+\n",
        "in the data": rb"data: \{.{40}",
        "in a multi-byte character": "水".encode()[:2],
        "before a blank line": rb"\ndata: [^\n]+\n",
        "after an event": rb"\n\n",
        "in [DONE]": rb"data: \[DO",
        "after the last event": rb"data: \[DONE\]\n\n",
        "anywhere": rb"(?s:.{700})",
    }.items()
}
"""Where a response can be cut: after the match of a pattern."""


class Proxy:
    """Forwards each connection to a random replica, or to another one if that one does not accept it.

    Args:
        ports: of the replicas.
        chance: the random number generator.
        cuts: of the first connections, in this order: a name in `CUTS`, and which of the matches.
    """

    def __init__(
        self, ports: Sequence[int], chance: random.Random, cuts: Sequence[tuple[str, int]] = ()
    ) -> None:
        self.port = 0
        self.cut = 0
        """The number of connections cut so far."""
        self._ports = ports
        self._chance = chance
        self._cuts = list(cuts)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/paas/v4"

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._chance.sample(self._ports, len(self._ports)):
            try:
                server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            # Cancelled at the end of the program, which asyncio's streams would report as an error.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(
                    _copy(reader, server_writer), self._copy_response(server_reader, writer, server_writer)
                )
            return
        writer.close()

    async def _copy_response(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        """Copy the response until either side closes or the next cut is due, then close both."""
        name, count = self._cuts.pop(0) if self._cuts else ("", 0)
        received, passed = b"", 0
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                before = len(received)
                received += data
                while count and (found := CUTS[name].search(received, passed)):
                    passed, count = max(found.end(), passed + 1), count - 1
                    if not count:
                        data = data[: max(found.end() - before, 0)]
                        self.cut += 1
                writer.write(data)
                await writer.drain()
                if name and not count:
                    break
        writer.close()
        back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy a request until the client closes, then close the connection to the server."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
