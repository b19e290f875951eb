"""Readers attach to turns at any moment while another process produces them: nothing is between log and news."""

import asyncio
import random

import pytest

from continuing_engine import ContinuingEngine
from headrace.events import Finish, TokenUsage
from headrace.turns.store import GoneError
from processes import SCRIPT, open_registry, read, start
from turn_stores import open_stores, redis_server, shared, store_kind, store_name
from waiting import until_async

__all__ = ["open_registry", "open_stores", "redis_server", "store_kind", "store_name"]

pytestmark = shared

COUNTS = pytest.mark.parametrize("count", [30, pytest.param(350, marks=pytest.mark.nightly)])
WHOLE = (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@COUNTS
async def test_a_reader_that_attaches_at_any_moment_gets_every_event_once(open_registry, count):
    engine = ContinuingEngine(SCRIPT, delay=0.002)
    here, there = open_registry(engine), open_registry(idle := ContinuingEngine(SCRIPT))
    for _ in range(3):  # the turns of a conversation
        turns = [await start(here) for _ in range(count)]

        async def attach(id):
            await asyncio.sleep(random.uniform(0, 0.1))
            return await read(await there.find(id, "me"))

        answers = await asyncio.gather(*(attach(turn.id) for turn in turns))
        assert answers == [WHOLE] * count
    assert idle.asked == []


async def test_a_reader_that_attaches_while_the_log_is_deleted_gets_the_answer_or_learns_it(
    open_registry, open_stores
):
    here, there = open_registry(ContinuingEngine(SCRIPT)), open_registry(ContinuingEngine(SCRIPT))
    store = open_stores()
    turns = [await start(here) for _ in range(30)]
    for turn in turns:
        await read(turn)
    await until_async(lambda: not here._turns)

    async def delete(id):
        await asyncio.sleep(random.uniform(0, 0.02))
        await store.delete(id)

    async def attach(id):
        await asyncio.sleep(random.uniform(0, 0.02))
        return await read(await there.find(id, "me"))

    await asyncio.gather(*(delete(turn.id) for turn in turns[:20]), *(attach(turn.id) for turn in turns[20:]))
    deleting = [asyncio.create_task(delete(turn.id)) for turn in turns[20:]]
    results = await asyncio.gather(*(attach(turn.id) for turn in turns), return_exceptions=True)
    await asyncio.gather(*deleting)

    assert all(isinstance(result, GoneError) for result in results[:20])
    assert all(result == WHOLE or isinstance(result, GoneError) for result in results[20:])
