"""An asynchronous turn needs no reader: another process continues it when its own is dead."""

import asyncio

from continuing_engine import ContinuingEngine
from headrace.events import Finish, Text, TokenUsage
from processes import SCRIPT, die, open_registry, read, start
from turn_stores import append, header, shared
from waiting import until_async

__all__ = ["open_registry"]

WHOLE = (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@shared
async def test_an_asynchronous_turn_whose_process_died_goes_on_without_being_polled(open_registry):
    dying, living = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    dying.pause_after(3)
    here, there = open_registry(dying, lease=0.15), open_registry(living, lease=0.15)
    there.open()
    turn = await start(here, resumable=False, detached=True)
    await until_async(lambda: turn.log.published == 3)
    die(here)
    await until_async(lambda: len(living.asked) == 1)
    await until_async(lambda: not there._turns)

    assert await read(await there.find(turn.id, "me")) == WHOLE
    (shard,) = there._shards
    await until_async(lambda: not shard.ended)
    await asyncio.sleep(0)
    assert list(await shard.store.stranded()) == []
    assert len(living.asked) == 1


@shared
async def test_a_turn_that_needs_a_reader_does_not_go_on_without_one(open_registry):
    dying, living = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    dying.pause_after(3)
    here, there = open_registry(dying, lease=0.1), open_registry(living, lease=0.1)
    there.open()
    turn = await start(here)
    await until_async(lambda: turn.log.published == 3)
    die(here)
    await asyncio.sleep(0.4)

    assert living.asked == []


@shared
async def test_a_store_lists_the_detached_turns_of_processes_that_are_not_alive(open_stores):
    dead, left, alive, asking = (open_stores(lease=60) for _ in range(4))
    for number, store in enumerate((dead, left, alive)):
        await store.create(header(f"t{number}", detached=True, owner=f"owner {number}"), b"body")
        await store.create(header(f"reader {number}"), b"body")
    await dead.create(header("ended", detached=True), b"body")
    await append(dead, "ended", (1, 0), [Text("a"), Finish("stop")])
    await alive.heartbeat(["ended"])
    await left.heartbeat()
    await left.close()
    found = {turn.id: turn.owner for turn in await asking.stranded()}

    assert found == {"t0": "owner 0", "t1": "owner 1"}
    await asking.heartbeat()
    await asking.take_over("t0", 2, has_died=True)
    assert [turn.id for turn in await alive.stranded()] == ["t1"]
