"""Two hundred clients that leave at random moments: nothing is left running, and the memory is back."""

import asyncio
import gc
import json
import random
import time
from pathlib import Path

import pytest

from headrace.engines.clocks import Clocked, Clocks
from headrace.engines.http import HttpTransport
from headrace.engines.llama import LlamaEngine
from headrace.engines.pool import Pool
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.upstream import UpstreamEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, Catalogue, LocalServer, Model, Settings
from scripted_server import chunk, sse

CLIENTS = 200
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Write a poem"}], "stream": True})
REQUEST = (
    f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}".encode()
)
TEMPLATE = ChatTemplate("{{ messages[0].content }}")


class Endless:
    """An upstream that takes its time with the first token, and never stops."""

    def __init__(self):
        self.open = 0
        self.asked = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        await receive()
        self.open += 1
        self.asked += 1
        talking = asyncio.create_task(self.talk(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        talking.cancel()
        self.open -= 1

    async def talk(self, send):
        await asyncio.sleep(random.random() * 0.3)
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream")],
            }
        )
        while True:
            await send({"type": "http.response.body", "body": sse(chunk("word ")), "more_body": True})
            await asyncio.sleep(0.05)


async def client(port, patience):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    try:
        async with asyncio.timeout(patience):
            while await reader.read(65536):
                pass
    except TimeoutError:
        pass
    writer.close()


async def come_and_go(port):
    moments = random.Random(7)
    await asyncio.gather(*(client(port, moments.random() * 0.8) for _ in range(CLIENTS)))


def settle(is_settled):
    deadline = time.monotonic() + 30
    while not is_settled() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_settled()


def resident_megabytes():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def leave_twice(engine, is_settled):
    """The first time warms up: pools, caches and the allocator's arenas."""
    model = Model(("m",), engine, FORMATS["glm-4.6"], TEMPLATE)
    with LocalServer(App(Catalogue([model]), Settings())) as server:
        port = int(server.url.rpartition(":")[2])
        levels = []
        for _ in range(3):
            asyncio.run(come_and_go(port))
            settle(is_settled)
            levels.append(resident_megabytes())
    return levels


def test_no_upstream_request_outlives_its_reader():
    upstream = Endless()
    with LocalServer(upstream) as behind:
        transport = HttpTransport(f"{behind.url}/v1")
        protocol = Chat(DIALECTS["openai"], transport.source, model="theirs")
        engine = UpstreamEngine(transport, protocol)
        _, before, after = leave_twice(
            Pool([Clocked(engine, Clocks())]), lambda: engine.running == 0 and upstream.open == 0
        )

    assert upstream.asked > 0  # not all left before they were passed on
    assert engine.cancel_latency.count > 0
    assert after - before < 5


def test_no_slot_outlives_its_reader():
    pytest.importorskip("xllamacpp")
    from headrace_tiny import model_path

    engine = LlamaEngine(model_path(), slots=4)
    _, before, after = leave_twice(Clocked(engine, Clocks()), lambda: engine.running == 0)

    assert engine.cancel_latency.count > 0
    assert after - before < 5
