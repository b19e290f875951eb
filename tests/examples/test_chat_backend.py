"""examples/chat_backend.py: reloading, a second reader, stopping and leaving."""

import asyncio
import importlib.util
import re
import sys
from pathlib import Path

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.server import App, LocalServer, Model, ModelRegistry, Settings
from scripted_server import Reply, ScriptedServer, chunk, sse

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def backend(monkeypatch):
    """Return the FastAPI application for a server that executes turns, as a browser would see it."""

    def start(url):
        monkeypatch.setenv("ZAI_BASE_URL", url)
        monkeypatch.setenv("ZAI_API_KEY", "id.secret")
        spec = importlib.util.spec_from_file_location("chat_backend", EXAMPLES / "chat_backend.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "chat_backend", module)
        spec.loader.exec_module(module)
        transport = httpx2.ASGITransport(module.app)
        return httpx2.AsyncClient(transport=transport, base_url="http://backend"), module.headrace

    return start


QUESTION = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture(scope="module")
def headrace_url():
    model = Model(("glm-4.6",), ScriptedEngine("One two three."), FORMATS["glm-4.6"], None)
    with LocalServer(App(ModelRegistry([model]), Settings())) as server:
        yield f"{server.url}/api/paas/v4"


def contents(events):
    return "".join(re.findall(r'"content":"([^"]*)"', events))


async def test_a_reloaded_page_and_a_second_reader_get_the_same_answer(backend, headrace_url):
    browser, upstream = backend(headrace_url)
    async with browser, upstream:
        turn = (await browser.post("/turns", json=QUESTION)).json()["id"]
        first, second = await asyncio.gather(*(browser.get(f"/turns/{turn}") for _ in range(2)))
        seen = re.findall(r"^id: (\d+)$", first.text, re.MULTILINE)[0]
        rest = await browser.get(f"/turns/{turn}", headers={"Last-Event-ID": seen})
        unknown = await browser.get(f"/turns/{'x' * 22}")

    assert "data: [DONE]" in first.text
    assert first.headers["content-type"].startswith("text/event-stream")
    assert contents(first.text) == contents(second.text) == "One two three."
    assert f"id: {seen}\n" not in rest.text
    assert first.text.endswith(re.sub(r"^retry: \d+\n", "", rest.text))
    assert unknown.status_code == 404


async def test_stop_ends_the_turn_and_a_bad_id_or_no_server_is_an_error(backend):
    with ScriptedServer(Reply(b"{}")) as server:
        browser, upstream = backend(server.url)
        async with browser, upstream:
            stopped = await browser.delete(f"/turns/{'x' * 22}")
            wrong = await browser.get("/turns/..%2Fmodels")
    browser, upstream = backend("http://127.0.0.1:9/v1")
    async with browser, upstream:
        lost = await browser.post("/turns", json=QUESTION)

    assert (stopped.status_code, server.asked[0].method) == (204, "DELETE")
    assert wrong.status_code in (404, 422)
    assert lost.status_code == 502
    assert "is not available" in lost.json()["detail"]


async def test_a_browser_that_leaves_closes_the_connection_to_the_model(backend):
    with ScriptedServer(Reply([sse(chunk("a"), id=0)], end="hold")) as server:
        browser, upstream = backend(server.url)
        import chat_backend

        response = await chat_backend.read("x" * 22)
        pieces = response.body_iterator
        assert b'"content": "a"' in await anext(pieces)
        await pieces.aclose()
        assert await asyncio.to_thread(server.gone.wait, 10)
        await browser.aclose()
        await upstream.aclose()


async def test_the_page_is_served_and_never_shows_text_as_html(backend):
    browser, upstream = backend("http://127.0.0.1:9/v1")
    async with browser, upstream:
        page = (await browser.get("/")).text

    assert "<title>Chat</title>" in page
    assert "innerHTML" not in page
