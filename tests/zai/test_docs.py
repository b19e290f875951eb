"""docs/sdk.md: its programs run, one after the other, and its lists are complete."""

import asyncio
import importlib.util
import re
import typing
from pathlib import Path

import pytest

import zai
import zai.errors
from scripted_server import Reply, ScriptedServer, chunk, sse, stream
from zai.streaming.events import StreamEvent
from zai.tools.loop import ToolResult

PAGE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text("utf-8")
WHOLE = (
    b'{"choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}],'
    b'"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
)


def programs_of_the_page():
    """All of them; the relay needs Starlette, which comes with the server."""
    programs = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    has_starlette = importlib.util.find_spec("starlette") is not None
    return [program for program in programs if has_starlette or "starlette" not in program]


def test_every_program_on_the_page_runs(monkeypatch, capsys):
    names = {}
    with ScriptedServer(Reply(WHOLE), Reply(stream("Hel", "lo"))) as server:
        monkeypatch.setenv("ZAI_BASE_URL", server.url)
        monkeypatch.setenv("ZAI_API_KEY", "id.secret")
        for program in programs_of_the_page():
            exec(compile(program, "docs/sdk.md", "exec"), names)
            out = capsys.readouterr().out
            assert ("print(" in program) == ("Hello" in out or "Hi" in out), program
    assert names["message"].content == "Hello"
    assert names["run"].messages[-1] == {"role": "assistant", "content": "Hello"}


@pytest.fixture
def relay(monkeypatch):
    """Start the page's ASGI application in front of a server."""
    pytest.importorskip("starlette")
    (program,) = [program for program in programs_of_the_page() if "Starlette(" in program]

    def start(server):
        monkeypatch.setenv("ZAI_BASE_URL", server.url)
        monkeypatch.setenv("ZAI_API_KEY", "id.secret")
        names = {"AsyncZaiClient": zai.AsyncZaiClient}
        exec(compile(program, "docs/sdk.md", "exec"), names)
        return names["app"], names["upstream"]

    return start


async def read_through(app, *, disconnect_after):
    """Return what a browser receives that disconnects after some messages."""
    messages = []
    disconnected = asyncio.Event()
    incoming = [{"type": "http.request", "body": b'{"messages": []}'}]

    async def receive():
        if incoming:
            return incoming.pop()
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        messages.append(message.get("body", b""))
        if len(messages) > disconnect_after:
            disconnected.set()

    scope = {"type": "http", "method": "POST", "path": "/chat", "headers": [], "query_string": b""}
    await app(scope, receive, send)
    return b"".join(messages).decode()


async def test_the_relay_forwards_every_chunk_and_an_error(relay):
    with ScriptedServer(Reply(stream("a", "b")), Reply([sse(chunk("a")), sse({"error": "lost"})])) as server:
        app, upstream = relay(server)
        complete = await read_through(app, disconnect_after=99)
        broken = await read_through(app, disconnect_after=99)
        await upstream.close()
    assert [complete.count(f'"content":"{text}"') for text in "ab"] == [1, 1]
    assert complete.endswith("data: [DONE]\n\n")
    assert broken.endswith('event: error\ndata: "lost"\n\n')


async def test_a_browser_that_disconnects_from_the_relay_stops_the_model(relay):
    with ScriptedServer(Reply([sse(chunk("a"))], end="hold")) as server:
        app, upstream = relay(server)
        await read_through(app, disconnect_after=1)
        assert await asyncio.to_thread(server.gone.wait, 5)
        await upstream.close()


def test_the_table_of_events_has_every_attribute_of_each():
    table = re.search(r"\| `event\.type`.*?\n\n", PAGE, re.DOTALL)[0]
    listed = {
        row[0]: set(row[1:]) for row in (re.findall(r"`([^`]+)`", line) for line in _cells(table)) if row
    }

    assert listed == {
        _type_of(each): _attributes(each) for each in (*typing.get_args(StreamEvent), ToolResult)
    }


def _cells(table):
    """Return the first two cells of each row below the header."""
    return ["|".join(line.split("|")[1:3]) for line in table.strip().splitlines()[2:]]


def _type_of(event_class):
    return event_class.__struct_defaults__[-1]


def _attributes(event_class):
    names = {*event_class.__struct_fields__, *vars(event_class)} - {"type"}
    return {name for name in names if not name.startswith("_")}


def test_the_page_draws_the_exception_hierarchy():
    drawn = re.search(r"```\n(ZaiError\n.*?)```", PAGE, re.DOTALL)[1]
    above = {}
    for line in drawn.splitlines():
        name = re.search(r"\w*Error", line)[0]
        depth = line.index(name) // 4
        above[depth] = name
        if depth:
            assert getattr(zai.errors, name).__mro__[1] is getattr(zai.errors, above[depth - 1])
    names = set(re.findall(r"\w+Error", drawn))
    assert (
        names
        == {name for name in zai.errors.__all__ if name.endswith("Error")}
        == {name for name in zai.__all__ if name.endswith("Error")}
    )


@pytest.mark.parametrize("name", sorted(name for name in zai.__all__ if not name.startswith("__")))
def test_the_page_names_every_public_name(name):
    if name in (
        "NOT_GIVEN",
        "NotGiven",
        "AsyncToolRun",
        "ToolRun",
        "AsyncZhipuAiClient",
        "ZhipuAiClient",
        "CompletionStream",
    ):
        return
    assert re.search(rf"\b{name}\b", PAGE)
