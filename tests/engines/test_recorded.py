"""Recordings: written, read and replayed, with their timing and with faults."""

import asyncio
import time

import pytest

from dialects import TRACES, ask, protocol
from headrace.engines.recorded import Fault, ReplayTransport
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import DecodeError, EngineError, HeadraceError
from headrace.events import Content, Finish, Reasoning
from headrace.recording import RecordedRead, Recording, RecordingHead, RecordingWriter, read_recording
from listening import listen

FRAMES = (TRACES / "chat" / "zai" / "upstream.sse").read_bytes().split(b"\n\n")[:-1]
READS = [RecordedRead(0.02 * number, frame + b"\n\n") for number, frame in enumerate(FRAMES)]
RECORDING = Recording(path="chat/completions", request={"model": "m"}, reads=READS, ended_at=0.12)
EVENTS = [Reasoning("Hm"), Reasoning("m."), Content("你"), Content("好")]


def replay(recording=RECORDING, **options):
    transport = ReplayTransport([recording], **{"speed": 0, **options})
    return UpstreamEngine(transport, protocol("chat"))


async def run(engine):
    events = []
    try:
        async for new in listen(engine, ask()):
            events += new
    except HeadraceError as error:
        return events, error
    return events, None


async def test_a_recording_gives_the_recorded_events():
    events, error = await run(replay())

    assert error is None
    assert events[:-1] == EVENTS
    assert isinstance(events[-1], Finish)


async def test_the_timing_is_the_recorded_one():
    started_at = time.perf_counter()
    await run(replay(speed=1))

    assert time.perf_counter() - started_at >= 0.1


async def test_a_high_speed_shortens_the_delays():
    started_at = time.perf_counter()
    await run(
        replay(
            Recording(
                path="chat/completions",
                reads=[RecordedRead(30, READS[0].data), RecordedRead(60, FRAMES[4] + b"\n\n")],
            ),
            speed=6000,
        )
    )

    assert time.perf_counter() - started_at < 30


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("cut", EngineError, "lost"),
        ("garbage", DecodeError, "cannot be decoded"),
        ("error", EngineError, "injected fault"),
    ],
)
async def test_a_fault_is_injected_after_the_given_number_of_reads(kind, error, message, after):
    events, raised = await run(replay(fault=Fault(kind, after)))

    assert events == EVENTS[:after]
    assert isinstance(raised, error)
    assert message in raised.message


async def test_an_error_before_the_first_read_is_a_status():
    events, raised = await run(replay(fault=Fault("error")))

    assert events == []
    assert "status 500" in raised.message


async def test_a_stall_lasts_until_a_cancel():
    task = asyncio.create_task(run(replay(fault=Fault("stall", 2))))
    await asyncio.sleep(0.05)

    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_several_recordings_are_replayed_in_turn():
    other = Recording(
        path="chat/completions", status=429, content_type="application/json", reads=[RecordedRead(0, b"{}")]
    )
    engine = UpstreamEngine(ReplayTransport([RECORDING, other], speed=0), protocol("chat"))
    errors = [(await run(engine))[1] for _ in range(4)]

    assert [error is None for error in errors] == [True, False, True, False]


@pytest.mark.parametrize("cut", range(1, len(FRAMES[2])))
def test_a_recording_is_stored_byte_for_byte_in_any_cut(tmp_path, cut):
    data = FRAMES[2] + b"\n\n"
    reads = [RecordedRead(0.5, data[:cut]), RecordedRead(0.75, data[cut:])]
    path = tmp_path / "a.jsonl"
    writer = RecordingWriter(path, RecordingHead("completions", status=429, retry_after="3"))
    for each in reads:
        writer.write(each)
    assert not path.exists()
    writer.finish("cut", 1.5)

    assert read_recording(path) == Recording(
        path="completions", status=429, retry_after="3", reads=reads, end="cut", ended_at=1.5
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [("{}", "not a recording"), ("no JSON", "not a recording"), ("", "not a recording")],
)
def test_a_file_that_is_not_a_recording_is_named(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(EngineError, match=message):
        read_recording(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"nowhere.jsonl"):
        read_recording(tmp_path / "nowhere.jsonl")
