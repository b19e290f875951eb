"""Two hundred clients that disconnect at random delays: no request keeps running, and memory is freed."""

import asyncio
import gc
import json
import random
import re
from pathlib import Path

import httpx2
import pytest

from headrace.engines.http import HttpTransport
from headrace.engines.llama import LlamaEngine
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.engines.upstream import UpstreamEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from scripted_server import chunk, sse
from waiting import until

CLIENTS = 200
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Write a poem"}], "stream": True})
REQUEST = (
    "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
).encode()
TEMPLATE = ChatTemplate("{{ messages[0].content }}")


class Endless:
    """An upstream with a slow first token and endless output."""

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
        sending = asyncio.create_task(self.send_words(send))
        while (await receive())["type"] != "http.disconnect":
            pass
        sending.cancel()
        self.open -= 1

    async def send_words(self, send):
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


async def client(port, seconds):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    try:
        async with asyncio.timeout(seconds):
            while await reader.read(65536):
                pass
    except TimeoutError:
        pass
    writer.close()


async def connect_and_disconnect(port):
    delays = random.Random(7)
    await asyncio.gather(*(client(port, delays.random() * 0.8) for _ in range(CLIENTS)))


def resident_megabytes():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def disconnect_repeatedly(engine, is_settled):
    """Return the memory after each run; the first run warms up pools, caches and the allocator."""
    model = Model(("m",), engine, FORMATS["glm-4.6"], TEMPLATE)
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        port = int(server.url.rpartition(":")[2])
        levels = []
        for _ in range(3):
            asyncio.run(connect_and_disconnect(port))
            until(is_settled)
            levels.append(resident_megabytes())
        assert cancelled(server.url) > 0
    return levels


def cancelled(url):
    """Return the number of cancelled turns in the server's metrics."""
    text = httpx2.get(f"{url}/metrics", trust_env=False).text
    return float(
        re.search(r'^headrace_cancel_latency_seconds_count{model="m"} (\S+)$', text, re.MULTILINE)[1]
    )


def test_no_upstream_request_outlives_its_client():
    upstream = Endless()
    with LocalServer(upstream) as behind:
        transport = HttpTransport(f"{behind.url}/v1")
        protocol = Chat(DIALECTS["openai"], transport.upstream, model="theirs")
        engine = UpstreamEngine(transport, protocol)
        _, before, after = disconnect_repeatedly(
            LoadBalancer([TimeoutEngine(engine, Timeouts())]),
            lambda: engine.running == 0 and upstream.open == 0,
        )

    assert upstream.asked > 0  # some disconnected only after their request had been forwarded
    assert after - before < 5


def test_no_slot_outlives_its_client():
    pytest.importorskip("xllamacpp")
    from headrace_tiny import model_path

    engine = LlamaEngine(model_path(), slots=4)
    _, before, after = disconnect_repeatedly(TimeoutEngine(engine, Timeouts()), lambda: engine.running == 0)

    assert after - before < 5
