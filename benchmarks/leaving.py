"""The time from a client's disconnect until its generation has stopped.

slot        The embedded model has one slot: A streams, B waits for the slot, A disconnects. Measured from
            the disconnect to B's first bytes, minus the time to first bytes on a free slot.
upstream    A disconnects. Measured from there until the upstream's connection is closed, both during the
            answer and before the first token.

    python benchmarks/leaving.py [--rounds 50]
"""

import argparse
import asyncio
import json
import queue
import socket
import statistics
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from headrace.models.loading import load_model
from headrace.models.settings import ChatSettings, LlamaSettings
from headrace.server import App, LocalServer, ModelRegistry, Settings

MESSAGES = [{"role": "user", "content": "Write a poem about spring"}]
BODY = json.dumps({"model": "glm-4.6", "messages": MESSAGES, "stream": True}).encode()
REQUEST = (
    b"POST /api/paas/v4/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"word "}}]}\n\n'
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Upstream:
    """An ASGI application that streams without end, or sends nothing; records when requests start and end."""

    def __init__(self, *, streams: bool) -> None:
        self.asked: queue.Queue[float] = queue.Queue()
        self.left: queue.Queue[float] = queue.Queue()
        self._streams = streams

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        self.asked.put(time.perf_counter())
        speaking = asyncio.create_task(self._speak(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        self.left.put(time.perf_counter())
        speaking.cancel()

    async def _speak(self, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while self._streams:
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
            await asyncio.sleep(0.02)


def ask(port: int) -> socket.socket:
    """Send a request without reading the response."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(REQUEST)
    return connection


def first_bytes(connection: socket.socket) -> float:
    """Return the time at which the first `data:` arrived."""
    received = b""
    while b"data: " not in received:
        received += connection.recv(65536)
    return time.perf_counter()


def release_of_a_slot(port: int) -> tuple[float, float]:
    """Return the seconds to a client's first bytes: after another disconnects, and on a free slot."""
    leaving = ask(port)
    first_bytes(leaving)
    waiting = ask(port)
    time.sleep(0.002)  # until the request waits for the slot
    left = time.perf_counter()
    leaving.close()
    served = first_bytes(waiting)
    waiting.close()
    time.sleep(0.1)
    asked = time.perf_counter()
    alone = ask(port)
    came = first_bytes(alone)
    alone.close()
    time.sleep(0.1)
    return served - left, came - asked


def release_of_an_upstream(port: int, upstream: Upstream, *, streams: bool) -> float:
    """Return the seconds from a disconnect until the upstream's connection is closed."""
    leaving = ask(port)
    upstream.asked.get(timeout=10)
    if streams:
        first_bytes(leaving)
    time.sleep(0.01)
    left = time.perf_counter()
    leaving.close()
    return upstream.left.get(timeout=10) - left


def port_of(server: LocalServer) -> int:
    return int(server.url.rpartition(":")[2])


def show(name: str, seconds: list[float]) -> None:
    values = sorted(1e3 * value for value in seconds)
    print(f"{name:>48} {statistics.median(values):8.2f} {values[int(0.99 * len(values))]:8.2f}")


def main() -> None:
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    print(f"{'ms':>48} {'median':>8} {'p99':>8}")
    with LocalServer(App(ModelRegistry([load_model("", LlamaSettings(slots=1))]), Settings())) as server:
        release_of_a_slot(port_of(server))
        pairs = [release_of_a_slot(port_of(server)) for _ in range(rounds)]
    show("slot: left -> next is served", [pair[0] for pair in pairs])
    show("slot: free -> served", [pair[1] for pair in pairs])
    for streams, when in ((True, "while tokens come"), (False, "before the first token")):
        upstream = Upstream(streams=streams)
        with LocalServer(upstream) as behind:
            model = load_model("glm-4.6", ChatSettings(url=(f"{behind.url}/v1",)))
            with LocalServer(App(ModelRegistry([model]), Settings())) as server:
                release_of_an_upstream(port_of(server), upstream, streams=streams)
                times = [
                    release_of_an_upstream(port_of(server), upstream, streams=streams) for _ in range(rounds)
                ]
        show(f"upstream: left -> closed, {when}", times)


if __name__ == "__main__":
    main()
