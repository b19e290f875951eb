"""Counting the tokens of a prompt: by the tokenizer of the server that runs the model."""

import asyncio
import threading

import msgspec
import pytest

from dialects import ask, tool
from headrace.engines import ScriptedEngine
from headrace.engines.load_balancer import LoadBalancer
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.errors import EngineError, RequestError
from headrace.events import Content, Progress
from scripted_server import Reply, stream

JSON = {"content-type": "application/json"}
COUNT = Reply(b'{"count": 7, "max_model_len": 4096, "tokens": [1, 2]}', headers=JSON)
INPUT_TOKENS = Reply(b'{"object": "response.input_tokens", "input_tokens": 7}', headers=JSON)
TOKENS = Reply(b'{"tokens": [1, {"id": 2, "piece": "a"}, 3]}', headers=JSON)
HELLO = ask("Hello")


@pytest.mark.parametrize(
    ("dialect", "body"),
    [
        ("vllm", {"model": "m", "prompt": "Hello", "add_special_tokens": False}),
        ("sglang", {"model": "m", "prompt": "Hello"}),
        ("llama.cpp", {"model": "m", "content": "Hello", "add_special": True, "parse_special": True}),
    ],
)
@pytest.mark.parametrize(("reply", "tokens"), [(COUNT, 7), (TOKENS, 3)])
async def test_a_prompt_is_counted_by_the_servers_tokenizer(behind, dialect, body, reply, tokens):
    server, engine = behind(reply, kind="completions", dialect=dialect, model="m")

    assert await engine.count_tokens(HELLO) == tokens
    assert (server.asked[0].path, server.asked[0].body) == ("/tokenize", body)


@pytest.mark.parametrize(
    ("dialect", "path", "reply"),
    [
        ("vllm", "/tokenize", COUNT),
        ("sglang", "/tokenize", COUNT),
        ("llama.cpp", "/api/paas/v4/chat/completions/input_tokens", INPUT_TOKENS),
    ],
)
async def test_a_server_that_renders_gets_the_messages_and_the_tools(behind, dialect, path, reply):
    server, engine = behind(reply, dialect=dialect)

    assert await engine.count_tokens(ask(tools=[tool("f")])) == 7
    assert server.asked[0].path == path
    sent = server.asked[0].body
    assert sent["messages"] == [{"role": "user", "content": "Hi"}]
    assert sent["tools"] == [tool("f")]
    assert sent["chat_template_kwargs"]["enable_thinking"] is True


@pytest.mark.parametrize("kind", ["chat", "completions"])
@pytest.mark.parametrize("dialect", ["openai", "zai"])
async def test_a_server_that_cannot_count_is_reported(behind, kind, dialect):
    server, engine = behind(COUNT, kind=kind, dialect=dialect)

    await check_cannot_count(engine, HELLO)
    assert server.asked == []


@pytest.mark.parametrize("status", [400, 404, 405, 422, 501])
async def test_a_version_that_cannot_count_is_reported(behind, status):
    _, engine = behind(Reply(b'{"error": "no"}', status, headers=JSON), dialect="sglang")
    await check_cannot_count(engine, HELLO)


async def test_images_are_not_counted(behind):
    """The servers tokenize the text in their place."""
    image = {"type": "image_url", "image_url": {"url": "https://a/b.png"}}
    server, engine = behind(COUNT, dialect="vllm")

    await check_cannot_count(engine, ask(messages=[{"role": "user", "content": [image]}]))
    assert server.asked == []


async def check_cannot_count(engine, generation):
    with pytest.raises(RequestError) as caught:
        await engine.count_tokens(generation)
    assert (caught.value.code, caught.value.status) == ("1212", 404)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(b'{"error": "broken"}', 500, headers=JSON), "failed with status 500"),
        (Reply(b"<html>", headers={"content-type": "text/html"}), "not answered with tokens"),
        (Reply(b"{}", headers=JSON), "not answered with tokens"),
        (Reply(b'{"tokens": "x"}', headers=JSON), "not answered with tokens"),
    ],
)
async def test_another_answer_is_an_error(behind, reply, message):
    _, engine = behind(reply, dialect="vllm")

    with pytest.raises(EngineError, match=message):
        await engine.count_tokens(HELLO)


async def test_a_server_that_does_not_answer_is_an_error(behind, monkeypatch):
    monkeypatch.setattr("headrace.engines.token_counts._TIMEOUT", 0.05)
    _, engine = behind(Reply([b" "], end="hold"), dialect="vllm")

    with pytest.raises(EngineError, match="counted no tokens"):
        await engine.count_tokens(HELLO)


async def test_wrappers_pass_the_question_on():
    for wrapper in (TimeoutEngine(ScriptedEngine(""), Timeouts()), LoadBalancer([ScriptedEngine("")])):
        assert await wrapper.count_tokens(ask("one two")) == 2


# --- the number at the beginning of an answer -----------------------------------------------------

COUNTING = msgspec.structs.replace(ask(), request=msgspec.structs.replace(ask().request, counts_prompt=True))
PROMPT = Progress(7, 7)


class Received:
    """A listener; `begun` is set by the first event, `ended` by the end."""

    def __init__(self):
        self.events, self.error = [], None
        self.begun, self.ended = asyncio.Event(), asyncio.Event()

    def on_events(self, events):
        self.events += events
        if events:
            self.begun.set()

    def on_end(self, error):
        self.error = error
        self.ended.set()


async def generate(engine, generation=COUNTING, go=None):
    """Generate an answer; `go` is set after the first event. Return the events."""
    received = Received()
    engine.start(generation, received)
    if go is not None:
        await received.begun.wait()
        go.set()
    await received.ended.wait()
    assert received.error is None
    return received.events


def paths(server):
    return [one.path.rpartition("/")[2] for one in server.asked]


async def test_a_prompt_is_counted_beside_a_chat_request(behind):
    go = threading.Event()
    server, engine = behind(Reply([go, *stream("Hello")]), dialect="vllm")
    server.at["/tokenize"] = COUNT

    events = await generate(engine, go=go)
    assert events[:2] == [PROMPT, Content("Hello")]
    assert sorted(paths(server)) == ["completions", "tokenize"]


@pytest.mark.parametrize(
    "count", [Reply(b"{}", 404, headers=JSON), Reply(b"{}", 500, headers=JSON), Reply([b" "], end="hold")]
)
async def test_an_answer_does_not_wait_for_a_count_or_fail_with_it(behind, count):
    server, engine = behind(Reply(stream("Hello")), dialect="vllm")
    server.at["/tokenize"] = count

    events = await generate(engine)
    assert Content("Hello") in events


@pytest.mark.interpreted
@pytest.mark.parametrize(("pause", "counts"), [(60, 1), (0, 3)])
async def test_a_server_that_failed_to_count_is_not_asked_with_every_answer(
    behind, monkeypatch, pause, counts
):
    monkeypatch.setattr("headrace.engines.upstream._COUNT_PAUSE", pause)
    _, engine = behind(Reply(stream("Hello")), dialect="vllm")
    asked = []

    async def fail(generation):
        asked.append(generation)
        raise EngineError("broken")

    monkeypatch.setattr(engine, "count_tokens", fail)
    for _ in range(3):
        await generate(engine)
    assert len(asked) == counts


async def test_a_prompt_that_cannot_be_counted_does_not_concern_others(behind):
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b.png"}}]}
    shown = msgspec.structs.replace(ask(messages=[image]).request, counts_prompt=True)
    go = threading.Event()
    server, engine = behind(Reply(stream("A cat")), Reply([go, *stream("Hello")]), dialect="vllm")
    server.at["/tokenize"] = COUNT

    await generate(engine, msgspec.structs.replace(COUNTING, request=shown))
    assert (await generate(engine, go=go))[0] == PROMPT


@pytest.mark.parametrize(
    ("kind", "generation"),
    [("chat", HELLO), ("completions", COUNTING)],
    ids=["not wanted", "reported by the server itself"],
)
async def test_no_prompt_is_counted_without_need(behind, kind, generation):
    server, engine = behind(Reply(stream("Hello")), kind=kind, dialect="vllm")

    await generate(engine, generation)
    assert paths(server) == ["completions"]


@pytest.mark.interpreted
async def test_an_answer_goes_to_another_server_after_a_count(behind, monkeypatch):
    _, failing = behind(Reply(b"", 503), dialect="vllm")
    _, other = behind(Reply(stream("Hello")), dialect="openai")

    async def count(_):  # before there can be a response
        return 7

    monkeypatch.setattr(failing, "count_tokens", count)
    balancer = LoadBalancer([failing, other])
    events = await generate(balancer)
    await balancer.close()
    assert (events[0], Content("Hello") in events) == (PROMPT, True)


async def test_a_count_is_not_measured_as_an_answer(behind):
    go = threading.Event()
    server, engine = behind(Reply([go, *stream("Hello")]), dialect="vllm")
    server.at["/tokenize"] = COUNT
    measured = []

    received = Received()
    engine.start(HELLO, received)
    await engine.count_tokens(HELLO)
    engine.measure(measured.append)
    go.set()
    await received.ended.wait()
    assert len(measured) == 1
