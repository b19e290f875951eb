"""A web application relays streams of the SDK: a browser that leaves stops the generation, whenever it leaves.

Starlette cancels by anyio, at each await again. The turn would otherwise continue for `linger` seconds.
"""

import contextlib
import socket

import pytest
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

import zai
from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.formats import FORMATS
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from headrace.turns import TurnSettings
from waiting import until

TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}" + ASSISTANT
MESSAGES = [{"role": "user", "content": "Hello"}]
ASK = {"model": "glm-4.6", "messages": MESSAGES}


def get_time() -> str:
    """Tell the time."""
    return "12:00"


async def chunks(client):
    async with await client.chat.completions.create(**ASK, stream=True) as stream:
        async for chunk in stream:
            yield chunk.model_dump_json()


async def text(client):
    async with client.chat.completions.stream(**ASK) as stream:
        async for delta in stream.text_stream:
            yield delta


async def tools(client):
    run = client.chat.completions.run_tools(MESSAGES, tools=[get_time], model="glm-4.6")
    async for event in run:
        yield event.type


async def nothing_closed(client):
    async for chunk in await client.chat.completions.create(**ASK, stream=True):
        yield chunk.model_dump_json()


@pytest.fixture
def engine():
    return ContinuingEngine(" ".join(map(str, range(60))))


@pytest.fixture
def headrace(engine):
    model = Model(("glm-4.6",), engine, FORMATS["glm-4.6"], ChatTemplate(TEMPLATE))
    with LocalServer(App(ModelRegistry([model]), Settings(turns=TurnSettings(linger=600)))) as server:
        yield server


@pytest.mark.parametrize("pieces", [0, 3], ids=["before the first event", "later"])
@pytest.mark.parametrize("way", [chunks, text, tools, nothing_closed])
def test_a_browser_that_leaves_stops_the_generation(engine, headrace, way, pieces):
    engine.pause_after(pieces)
    client = zai.AsyncZaiClient(api_key="a.b", base_url=f"{headrace.url}/api/paas/v4")

    async def chat(request):
        return StreamingResponse(way(client))

    @contextlib.asynccontextmanager
    async def lifespan(app):
        async with client:
            yield

    with LocalServer(Starlette(routes=[Route("/", chat)], lifespan=lifespan)) as relay:
        browser = socket.create_connection(("127.0.0.1", int(relay.url.rpartition(":")[2])))
        browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if pieces:
            while browser.recv(65536).count(b"\r\n") < 4:
                pass
        until(lambda: engine.running)
        browser.close()
        until(lambda: not engine.running)
    assert len(engine.asked) == 1


@pytest.mark.parametrize("retries", [0, 2])
def test_a_timeout_before_the_first_event_leaves_nothing_running_and_retries_join(engine, headrace, retries):
    engine.pause_after(0)
    options = {"timeout": 0.2, "max_retries": retries}
    with zai.ZaiClient(api_key="a.b", base_url=f"{headrace.url}/api/paas/v4", **options) as client:
        with pytest.raises(zai.APITimeoutError):
            client.chat.completions.create(**ASK, stream=True)
    until(lambda: not engine.running)
    assert len(engine.asked) == 1


@pytest.mark.interpreted
def test_a_limit_that_passes_after_the_head_stops_the_generation(engine, headrace, monkeypatch):
    for name in ("FIRST_BYTES", "PROGRESS_INTERVAL"):
        monkeypatch.setattr(f"headrace.server.stream.{name}", 0.05)
    engine.pause_after(0)
    with zai.ZaiClient(api_key="a.b", base_url=f"{headrace.url}/api/paas/v4") as client:
        limits = zai.StreamTimeout(first_chunk=0.5)
        stream = client.chat.completions.create(**ASK, stream=True, stream_timeout=limits)
        with pytest.raises(zai.APITimeoutError, match="first_chunk"):
            stream.collect()
    until(lambda: not engine.running)
