"""The least that llama.cpp in a Python process costs: an event loop that forwards every chunk as it is.

`engines.py` compares it with Headrace: what Headrace costs more is what it does with a token. It has no
limits and no errors, and answers every POST as `/v1/completions`.

    python benchmarks/engine_floor.py PORT MODEL SLOTS CONTEXT THREADS
"""

import asyncio
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from headrace.engines.llama_loading import Server, load

_HEALTHY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n"
)


class Connection(asyncio.Protocol):
    """One request."""

    def __init__(self, server: Server, pool: ThreadPoolExecutor) -> None:
        self._server = server
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._request = b""
        self._is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._request += data
        head, _, body = self._request.partition(b"\r\n\r\n")
        if head.startswith(b"GET"):
            self._transport.write(_HEALTHY)
            self._transport.close()
        elif body.endswith(b"}"):
            self._transport.write(_HEAD)
            answer = self._pool.submit(self._server.handle_completions, body, self._receive)
            answer.add_done_callback(self._end)

    def connection_lost(self, _error: Exception | None) -> None:
        self._is_lost = True

    def _receive(self, chunk: bytes) -> bool:
        """Take a chunk, in a thread of the pool; True cancels the answer."""
        self._loop.call_soon_threadsafe(self._send, chunk)
        return self._is_lost

    def _send(self, chunk: bytes) -> None:
        self._transport.write(b"%x\r\ndata: %b\n\n\r\n" % (len(chunk) + 8, chunk))

    def _end(self, _: Future[None]) -> None:
        self._loop.call_soon_threadsafe(self._close)

    def _close(self) -> None:
        self._transport.write(b"0\r\n\r\n")
        self._transport.close()


async def serve(port: int, model: Path, slots: int, context: int, threads: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        params = {
            "n_parallel": slots,
            "n_ctx": slots * context,
            "cpuparams.n_threads": threads,
            "cpuparams_batch.n_threads": threads,
            "hostnames": [str(Path(directory, "llama.sock"))],
        }
        connection = partial(Connection, load(model, params), ThreadPoolExecutor(slots))
        server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])))
