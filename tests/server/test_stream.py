"""A streamed response over plain ASGI: its first bytes, backpressure, silence, and every ending."""

import asyncio
import tracemalloc
from itertools import pairwise

import pytest

from headrace.chunks import ChunkEncoder
from headrace.errors import EngineError, HeadraceError
from headrace.events import CANCELLED, Finish, Progress, Text, TokenUsage
from headrace.formats import FORMATS
from headrace.message_events import MessageEncoder
from headrace.parsing import OutputParser
from headrace.server.connection import HttpConnection
from headrace.server.frames import FrameEncoder
from headrace.server.stream import MAX_BACKLOG, EventStream, PositionError
from headrace.turns import Interpreter, MemoryLog
from virtual_time import virtual_time
from waiting import until_async
from wire_client import chunks_of, deltas, events_of

__all__ = ["virtual_time"]

pytestmark = pytest.mark.interpreted  # the turn is another class

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
        self.on_body = lambda _: None

    @property
    def bodies(self):
        return [message["body"] for message in self.messages if message.get("body")]

    async def send(self, message):
        self.messages.append(message)
        self.on_body(message.get("body", b""))
        if message["type"] == "http.response.body":
            await self.reads.wait()

    async def receive(self):
        await self.disconnected.wait()
        return {"type": "http.disconnect"}


def encoder(**options):
    return FrameEncoder(
        Interpreter(lambda: OutputParser(FORMATS["glm-4.6"])), ChunkEncoder("1", 1, "glm-4.6"), **options
    )


def stream(turn, client, *, keep_alive=60.0, frames=None, **options):
    scope = {"method": "POST", "path": "/", "headers": []}
    connection = HttpConnection(scope, client.receive, client.send)
    return EventStream(connection, turn, frames or encoder(**options), keep_alive)


async def test_events_are_sent_as_they_are_published():
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([(b"x-a", b"1")]))
    await asyncio.sleep(0)
    assert client.messages == []
    turn.emit(Text("A"))
    await until_async(lambda: len(client.bodies) == 1)
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
    await until_async(lambda: client.bodies)
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
    await until_async(lambda: client.messages)
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
        await until_async(lambda: client.bodies)
    client.disconnected.set()
    await sending

    assert turn.log.is_orphaned
    assert all(message.get("more_body", True) for message in client.messages)


async def test_events_during_backpressure_are_sent_merged_in_a_few_pieces_while_there_is_room():
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([]))
    client.reads.clear()
    turn.emit(Text("A"))
    await until_async(lambda: client.bodies)
    words = [f" word{number}" for number in range(1000)]
    for word in words:
        turn.emit(Text(word))
    turn.emit(Finish("stop"))
    assert len(client.bodies) == 1
    client.reads.set()
    await sending

    assert [len(events_of(body)) for body in client.bodies] == [1, 1, 1, 1, 3]  # 256 words each
    assert "".join(deltas(chunks_of(b"".join(client.bodies)), "content")) == "A" + "".join(words)


async def test_a_long_past_is_encoded_no_faster_than_the_client_reads_it():
    turn, client = FakeTurn(), Client()
    words = [f" word{number}" for number in range(10_000)]
    for word in words:
        turn.emit(Text(word))
    turn.emit(Finish("stop"))
    client.reads.clear()
    event_stream = stream(turn, client)
    sending = asyncio.create_task(event_stream.send([]))
    await until_async(lambda: client.bodies)
    assert event_stream._reader.position < 1000
    client.reads.set()
    await sending

    assert "".join(deltas(chunks_of(b"".join(client.bodies)), "content")) == "".join(words)


async def test_a_reader_that_falls_far_behind_pauses_the_engine_until_it_has_caught_up():
    turn, client = FakeTurn(), Client()
    sending = asyncio.create_task(stream(turn, client).send([]))
    client.reads.clear()
    turn.emit(Text("A"))
    await until_async(lambda: client.bodies)
    turn.emit(Text("x" * (MAX_BACKLOG - 500)))
    assert turn.pauses == []
    turn.emit(Text("y" * 500))
    turn.emit(Text("z"))
    assert turn.pauses == ["pause"]
    client.reads.set()
    await until_async(lambda: turn.pauses == ["pause", "resume"])
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


async def comments(turn, client, seconds, step):
    """The comments that a silent stream has after `step(0)`, `step(1)`, …, one every 0.1 s; and when."""
    loop = asyncio.get_running_loop()
    start, seen = loop.time(), []
    client.on_body = lambda body: seen.append((round(loop.time() - start), body))
    turn.emit(step(0))
    sending = asyncio.create_task(stream(turn, client, keep_alive=8.0).send([]))
    for number in range(1, 10 * seconds):
        await asyncio.sleep(0.1)
        turn.emit(step(number))
    turn.emit(Finish("stop"))
    await sending
    return [(at, body.decode()[2:-1]) for at, body in seen if body.startswith(b":")]


async def test_a_comment_has_the_progress_of_the_prompt_whenever_it_changes_but_once_a_second(virtual_time):
    seen = await comments(FakeTurn(), Client(), 15, lambda number: Progress(min(number // 10, 5), 9))
    assert [at for at, _ in seen] == [3, 4, 5, 6, 14]
    assert [text for _, text in seen[3:]] == ["prefill 5/9"] * 2


async def test_a_comment_has_the_position_in_the_queue_whenever_it_changes_but_once_a_second(virtual_time):
    seen = await comments(FakeTurn(), Client(), 6, lambda number: Progress(0, 0, queued=99 - number))
    assert [at for at, _ in seen] == [3, 4, 5]
    assert [int(text.removeprefix("queued ")) for _, text in seen] == pytest.approx([69, 59, 49], abs=1)


async def test_an_unchanged_position_is_repeated_like_any_comment(virtual_time):
    seen = await comments(FakeTurn(), Client(), 24, lambda _: Progress(0, 0, queued=3))
    assert seen == [(at, "queued 3") for at in (3, 11, 19)]


async def test_after_the_queue_comments_are_those_of_any_stream(virtual_time):
    seen = await comments(FakeTurn(), Client(), 16, lambda number: Progress(0, 0, queued=int(number < 35)))
    assert seen == [(3, "queued 1"), (11, "keep-alive")]


async def test_a_long_silence_of_messages_has_deltas_because_pings_keep_clients_waiting_for_600_s(
    virtual_time,
):
    turn, client = FakeTurn(), Client()
    loop = asyncio.get_running_loop()
    began, seen = loop.time(), []
    client.on_body = lambda body: seen.extend((loop.time() - began, event.event) for event in events_of(body))
    frames = FrameEncoder(Interpreter(lambda: OutputParser(FORMATS["glm-4.6"])), MessageEncoder("1", "m"))
    sending = asyncio.create_task(stream(turn, client, keep_alive=15.0, frames=frames).send([]))
    for _ in range(2):
        await asyncio.sleep(900)
        turn.emit(Text("<think>a"))
    turn.emit(Finish("stop"))
    await sending

    assert seen[0] == (pytest.approx(2, abs=0.1), "message_start")
    assert max(after - before for (before, _), (after, _) in pairwise(seen)) < 16
    real = [at for at, event in seen if event != "ping"]
    assert max(after - before for before, after in pairwise(real)) < 280
    assert seen[-1][1] == "message_stop"


async def test_a_defect_while_encoding_ends_the_connection_and_not_the_engine(caplog):
    turn, client = FakeTurn(), Client()
    sent = stream(turn, client)
    sending = asyncio.create_task(sent.send([]))
    turn.emit(Text("A"))
    await until_async(lambda: client.bodies)
    sent._frames.encode = None
    turn.emit(Text("B"))
    await sending

    assert "cannot encode the events" in caplog.text
    assert client.messages[-1].get("more_body")
