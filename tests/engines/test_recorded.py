"""Traces: written, read, played, with their timing and with faults."""

import asyncio
import time

import pytest

from dialects import TRACES, ask, protocol
from headrace.engines.recorded import Fault, ReplayTransport
from headrace.engines.recording import Piece, Recording, read_recording, write_recording
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import DecodeError, EngineError, HeadraceError
from headrace.events import Content, Finish, Reasoning

FRAMES = (TRACES / "chat" / "zai" / "upstream.sse").read_bytes().split(b"\n\n")[:-1]
PIECES = [Piece(0.02 * number, frame + b"\n\n") for number, frame in enumerate(FRAMES)]
TRACE = Recording(path="chat/completions", request={"model": "m"}, pieces=PIECES, ended_at=0.12)
SAID = [Reasoning("Hm"), Reasoning("m."), Content("你"), Content("好")]


def play(trace=TRACE, **options):
    transport = ReplayTransport([trace], **{"speed": 0, **options})
    return UpstreamEngine(transport, protocol("chat"))


async def heard(engine):
    events = []
    try:
        async for said in engine.generate(ask()):
            events += said
    except HeadraceError as error:
        return events, error
    return events, None


async def test_a_trace_is_played_as_it_was_said():
    events, error = await heard(play())

    assert error is None
    assert events[:-1] == SAID
    assert isinstance(events[-1], Finish)


async def test_it_takes_its_time():
    began = time.perf_counter()
    await heard(play(speed=1))

    assert time.perf_counter() - began >= 0.1


async def test_a_minute_is_over_in_no_time_at_a_great_speed():
    began = time.perf_counter()
    await heard(
        play(
            Recording(
                path="chat/completions", pieces=[Piece(30, PIECES[0].data), Piece(60, FRAMES[4] + b"\n\n")]
            ),
            speed=6000,
        )
    )

    assert time.perf_counter() - began < 30


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("cut", EngineError, "broke off"),
        ("garbage", DecodeError, "cannot be read"),
        ("error", EngineError, "a fault, as asked for"),
    ],
)
async def test_a_fault_happens_where_it_shall(kind, error, message, after):
    events, raised = await heard(play(fault=Fault(kind, after)))

    assert events == SAID[:after]
    assert isinstance(raised, error)
    assert message in raised.message


async def test_an_error_as_the_first_thing_is_a_status():
    events, raised = await heard(play(fault=Fault("error")))

    assert events == []
    assert "status 500" in raised.message


async def test_a_stall_lasts_until_somebody_leaves():
    task = asyncio.create_task(heard(play(fault=Fault("stall", 2))))
    await asyncio.sleep(0.05)

    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_several_traces_are_played_in_turn():
    other = Recording(
        path="chat/completions", status=429, content_type="application/json", pieces=[Piece(0, b"{}")]
    )
    engine = UpstreamEngine(ReplayTransport([TRACE, other], speed=0), protocol("chat"))
    errors = [(await heard(engine))[1] for _ in range(4)]

    assert [error is None for error in errors] == [True, False, True, False]


@pytest.mark.parametrize("cut", range(1, len(FRAMES[2])))
def test_a_trace_is_kept_byte_for_byte_wherever_it_was_cut(tmp_path, cut):
    data = FRAMES[2] + b"\n\n"
    pieces = [Piece(0.5, data[:cut]), Piece(0.75, data[cut:])]
    trace = Recording(path="completions", status=429, retry_after="3", pieces=pieces, end="cut", ended_at=1.5)
    write_recording(tmp_path / "a.jsonl", trace)

    assert read_recording(tmp_path / "a.jsonl") == trace


@pytest.mark.parametrize(
    ("content", "named"), [("{}", "not a recording"), ("no JSON", "not a recording"), ("", "not a recording")]
)
def test_another_file_is_named(tmp_path, content, named):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(EngineError, match=named):
        read_recording(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"nowhere.jsonl"):
        read_recording(tmp_path / "nowhere.jsonl")
