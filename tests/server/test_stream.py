"""A streamed response over plain ASGI: its first bytes, backpressure, silence, and every ending."""

import asyncio
import tracemalloc

import pytest

from headrace.chunks import ChunkEncoder
from headrace.errors import EngineError, HeadraceError
from headrace.events import CANCELLED, Finish, Progress, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.server.connection import HttpConnection
from headrace.server.frames import FrameEncoder
from headrace.server.stream import MAX_BACKLOG, EventStream, PositionError
from headrace.turns import Interpreter, MemoryLog
from wire_client import chunks_of, deltas, events_of

KEEP_ALIVE = b": keep-alive\n"


class FakeTurn:
    """A log that pauses nothing but counts the requests to."""

    id = "1"
    max_delay = 0.0

    def __init__(self):
        self.log = MemoryLog()
        self.pauses = []

    def reader(self, on_news):
        return self.log.reader(on_news)

    def pause(self):
        self.pauses.append("pause")

    def resume(self):
        self.pauses.append("resume")

    def emit(self, *events):
        self.log.append(events)
        self.log.publish()


class Client:
    """The other side of `send` and `receive`; `reads` off makes every send of a body wait."""

    def __init__(self):
        self.messages = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.disconnected = asyncio.Event()

    @property
    def bodies(self):
        return [message["body"] for message in self.messages if message.get("body")]

    async def send(self, message):
        self.messages.append(message)
        if message["type"] == "http.response.body":
            await self.reads.wait()

    async def receive(self):
        await self.disconnected.wait()
        return {"type": "http.disconnect"}


def encoder(**options):
    return FrameEncoder(
        Interpreter(lambda: OutputParser(FORMATS["glm-4.6"])), ChunkEncoder("1", 1, "glm-4.6"), **options
    )


def stream(turn, client, *, keep_alive=60.0, **options):
    scope = {"method": "POST", "path": "/", "headers": []}
    return EventStream(
        HttpConnection(scope, client.receive, client.send), turn, encoder(**options), keep_alive
    )


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


async def test_events_are_sent_as_they_are_published():
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([(b"x-a", b"1")]))
    await asyncio.sleep(0)
    assert client.messages == []
    turn.emit(Text("A"))
    await until(lambda: len(client.bodies) == 1)
    turn.emit(Text("B"), Finish("stop"))
    await sending

    assert client.messages[0]["status"] == 200
    assert (b"x-a", b"1") in client.messages[0]["headers"]
    assert deltas(chunks_of(b"".join(client.bodies)), "content") == ["A", "B", ""]
    assert client.messages[-1] == {"type": "http.response.body", "body": b""}


async def test_the_log_keeps_the_ending_that_the_client_receives():
    turn, client = FakeTurn(), Client()
    turn.emit(Text("<think>a", tokens=2), Text("</think>b"))
    sending = asyncio.create_task(stream(turn, client).send([]))
    await until(lambda: client.bodies)
    assert turn.log.received is None
    turn.emit(Finish(CANCELLED, TokenUsage(completion=3)))
    await sending
    assert turn.log.received == Finish("stop", TokenUsage(completion=3, reasoning=3))


async def test_a_failure_before_the_first_event_is_an_exception_and_nothing_is_sent():
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([]))
    await asyncio.sleep(0)
    turn.emit(Progress(1, 2))
    turn.emit(turn.log.ending(EngineError("no", status=503)))

    with pytest.raises(HeadraceError, match="no"):
        await sending
    assert client.messages == []


async def test_after_two_seconds_of_silence_the_head_is_sent_and_a_failure_is_in_band(monkeypatch):
    monkeypatch.setattr("headrace.server.stream.FIRST_BYTES", 0.05)
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([]))
    await until(lambda: client.messages)
    assert client.messages[0]["status"] == 200
    turn.emit(turn.log.ending(EngineError("no", status=503)))
    await sending

    (chunk,) = chunks_of(b"".join(client.bodies))
    assert chunk["choices"][0]["finish_reason"] == "network_error"


async def test_a_position_beyond_the_last_event_is_an_error_and_nothing_is_sent():
    turn, client = FakeTurn(), Client()
    turn.emit(Text("A"))
    with pytest.raises(PositionError) as caught:
        await stream(turn, client, numbered=True, after=4).send([], 4)

    assert caught.value.count == 1
    assert client.messages == []


@pytest.mark.parametrize("after_events", [0, 1])
async def test_a_disconnect_ends_it_and_detaches_the_reader(after_events):
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([]))
    if after_events:
        turn.emit(Text("A"))
        await until(lambda: client.bodies)
    client.disconnected.set()
    await sending

    assert turn.log.is_orphaned
    assert all(message.get("more_body", True) for message in client.messages)


async def test_events_during_backpressure_are_sent_in_one_write():
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([]))
    client.reads.clear()
    turn.emit(Text("A"))
    await until(lambda: client.bodies)
    words = [f" word{number}" for number in range(1000)]
    for word in words:
        turn.emit(Text(word))
    turn.emit(Finish("stop"))
    assert len(client.bodies) == 1
    client.reads.set()
    await sending

    assert [len(events_of(body)) for body in client.bodies] == [1, 3]
    assert "".join(deltas(chunks_of(b"".join(client.bodies)), "content")) == "A" + "".join(words)


async def test_a_reader_that_falls_far_behind_pauses_the_engine_until_it_has_caught_up():
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([]))
    client.reads.clear()
    turn.emit(Text("A"))
    await until(lambda: client.bodies)
    turn.emit(Text("x" * (MAX_BACKLOG - 500)))
    assert turn.pauses == []
    turn.emit(Text("y" * 500))
    turn.emit(Text("z"))
    assert turn.pauses == ["pause"]
    client.reads.set()
    await until(lambda: turn.pauses == ["pause", "resume"])
    turn.emit(Finish("stop"))
    await sending


async def test_a_client_that_does_not_read_uses_no_memory_besides_the_log():
    async def grown(*, stalled):
        turn, client = FakeTurn(), Client()
        client.reads.clear()
        sending = [asyncio.create_task(stream(turn, client).send([])) for _ in range(stalled)]
        turn.emit(Text("A"))
        await asyncio.sleep(0.01)
        tracemalloc.start()
        for number in range(400):
            turn.emit(Text(f" word{number}"))
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        for task in sending:
            task.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
        return size

    alone = await grown(stalled=0)
    assert await grown(stalled=20) < alone + 20_000


@pytest.mark.parametrize("event", [Progress(1, 9), Text("")], ids=["prompt progress", "no frame"])
async def test_silence_and_events_without_frames_are_filled_with_comments(event):
    turn, client = FakeTurn(), Client()
    turn.emit(Text("A"))
    sending = asyncio.create_task(stream(turn, client, keep_alive=0.03).send([]))
    while client.bodies.count(KEEP_ALIVE) < 3:
        turn.emit(event)
        await asyncio.sleep(0.005)
    turn.emit(Finish("stop"))
    await sending

    assert client.bodies[0] != KEEP_ALIVE


async def test_a_defect_while_encoding_ends_the_connection_and_not_the_engine(caplog):
    turn, client = FakeTurn(), Client()
    sent = stream(turn, client)
    sending = asyncio.create_task(sent.send([]))
    turn.emit(Text("A"))
    await until(lambda: client.bodies)
    sent._frames.encode = None
    turn.emit(Text("B"))
    await sending

    assert "cannot encode its events" in caplog.text
    assert client.messages[-1].get("more_body")
