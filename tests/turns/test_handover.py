"""A process that shuts down hands its turns over while it still produces others."""

import asyncio

import msgspec
import pytest

from continuing_engine import ContinuingEngine
from headrace.errors import LimitError
from headrace.events import Finish, TokenUsage
from processes import BODY, SCRIPT, open_registry, read, start
from turn_stores import memory, shared
from waiting import until_async

__all__ = ["open_registry"]

LEASE = 60.0  # nothing here may wait for a lease


def paused(pieces):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(pieces)
    return engine


async def running(registry, engine, body=BODY, *, pieces=4, **kind):
    """Start a turn, and wait until it is published as far as the engine goes."""
    turn = await start(registry, body, **kind)
    reader = turn.reader()
    await until_async(lambda: turn.log.published == pieces and engine.running)
    return turn, reader


@shared
@pytest.mark.parametrize("pieces", [0, 4])
async def test_another_process_continues_a_turn_although_the_first_one_lives(open_registry, pieces):
    engine = paused(pieces)
    leaving, staying = (
        open_registry(engine, lease=LEASE),
        open_registry(ContinuingEngine(SCRIPT), lease=LEASE),
    )
    turn, reader = await running(leaving, engine, pieces=pieces)
    followed = await staying.find(turn.id, "me")
    followed_reader = followed.reader()
    told = asyncio.Event()
    reader.on_handover = told.set
    await leaving.hand_over()

    assert told.is_set()
    assert not engine.running
    assert await read(await staying.find(turn.id, "me")) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))
    followed_reader.close()


@shared
async def test_what_is_read_from_the_store_during_a_takeover_is_not_added_to_the_own_events(open_registry):
    engine = paused(4)
    leaving, staying = (
        open_registry(engine, lease=LEASE),
        open_registry(ContinuingEngine(SCRIPT), lease=LEASE),
    )
    turn, moving = await running(leaving, engine)
    moving.on_handover = lambda: None
    followed = await staying.find(turn.id, "me")
    reader = followed.reader()
    follow = followed.store.follow

    async def follow_late(id, after, wait):
        if asyncio.current_task() is late:
            await until_async(lambda: followed.log.is_finished)
        return await follow(id, after, wait)

    followed.store.follow = follow_late
    late = asyncio.create_task(staying.find(turn.id, "me"))
    await leaving.hand_over()
    await late

    assert [event for event in reader.take() if isinstance(event, Finish)] == [followed.log.last]
    assert await read(followed) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@shared
async def test_a_turn_that_was_handed_over_is_refused_here(open_registry):
    engine = paused(4)
    leaving = open_registry(engine, lease=LEASE)
    turn, reader = await running(leaving, engine)
    reader.on_handover = lambda: None
    await leaving.hand_over()

    with pytest.raises(LimitError) as caught:
        await leaving.find(turn.id, "me")
    assert (caught.value.code, caught.value.status) == ("1234", 503)


@shared
async def test_an_asynchronous_turn_is_continued_without_a_reader(open_registry):
    engine = paused(4)
    leaving = open_registry(engine, lease=0.3)
    turn = await start(leaving, resumable=False, detached=True)
    await until_async(lambda: turn.log.published == 4)
    await leaving.hand_over()
    other = ContinuingEngine(SCRIPT)
    staying = open_registry(other, lease=0.3)
    staying.open()

    await until_async(lambda: other.asked)
    assert await read(await staying.find(turn.id, "me")) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@shared
@pytest.mark.parametrize("reason", ["reader", "structured", "engine"])
async def test_what_cannot_be_continued_elsewhere_ends_here(open_registry, reason):
    form = {"response_format": {"type": "json_object"}} if reason == "structured" else {}
    engine = paused(4)
    engine.continues = reason != "engine"
    leaving = open_registry(engine, lease=LEASE)
    turn, reader = await running(leaving, engine, msgspec.json.encode({**msgspec.json.decode(BODY), **form}))
    if reason != "reader":
        reader.on_handover = pytest.fail
    await leaving.hand_over()

    assert engine.running
    assert (await leaving.find(turn.id, "me")) is turn
    engine.go_on()
    assert await read(turn) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@memory
async def test_turns_in_memory_stay(open_registry):
    engine = paused(4)
    leaving = open_registry(engine)
    turn, reader = await running(leaving, engine)
    reader.on_handover = pytest.fail
    await leaving.hand_over()

    assert engine.running
    assert (await leaving.find(turn.id, "me")) is turn
    engine.go_on()
    assert (await read(turn))[0] == SCRIPT
