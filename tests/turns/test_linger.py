"""A turn without a reader ends `linger` seconds after its last reader in any process."""

import asyncio
import math

import pytest

from continuing_engine import ContinuingEngine
from headrace.turns.linger import OrphanTimer
from headrace.turns.store import GoneError, StoreError
from processes import SCRIPT, open_registry, start
from turn_stores import header, settings, shared
from virtual_time import virtual_time
from waiting import until_async

__all__ = ["open_registry", "virtual_time"]


class Readers:
    """A store that knows when another process had a reader."""

    outlives_process = True

    def __init__(self):
        self.last = -math.inf
        self.error = None

    async def reader_age(self, id):
        if self.error:
            raise self.error
        return asyncio.get_running_loop().time() - self.last


@pytest.fixture
async def lingering(virtual_time):
    """A timer of six seconds that has just been started, its store, and when it ended the turn."""
    loop = asyncio.get_running_loop()
    store, ended, start = Readers(), [], loop.time()
    timer = OrphanTimer(store, header(), settings(linger=6.0, lease=2.0))
    timer.start(lambda _: ended.append(loop.time() - start))
    return timer, store, ended


async def test_without_any_reader_it_ends_after_linger(lingering):
    await asyncio.sleep(60)

    assert lingering[2] == [pytest.approx(6, abs=0.01)]


@pytest.mark.parametrize("back", [0.0, 0.1, 5.9])
async def test_a_reader_that_came_to_another_process_starts_it_anew(lingering, back):
    _, store, ended = lingering
    await asyncio.sleep(back)
    store.last = asyncio.get_running_loop().time()
    await asyncio.sleep(60)

    assert ended == [pytest.approx(back + 6, abs=0.02)]


async def test_a_reader_that_stays_in_another_process_keeps_the_turn(lingering):
    _, store, ended = lingering
    for _ in range(100):
        store.last = asyncio.get_running_loop().time()
        await asyncio.sleep(2)

    assert ended == []


async def test_while_the_store_does_not_respond_the_turn_goes_on(lingering):
    _, store, ended = lingering
    store.error = StoreError("away")
    await asyncio.sleep(60)
    assert ended == []
    store.error = GoneError("t1", "evicted")
    await asyncio.sleep(3)

    assert len(ended) == 1


async def test_a_reader_here_stops_it(lingering):
    timer, _, ended = lingering
    await asyncio.sleep(5.9)
    timer.cancel()
    await asyncio.sleep(60)

    assert ended == []


@shared
async def test_a_producer_learns_of_a_reader_in_another_process_before_that_one_has_read_anything(
    open_registry,
):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(2)
    here, there = open_registry(engine, lease=30), open_registry(ContinuingEngine(SCRIPT), lease=30)
    turn = await start(here)
    await until_async(lambda: turn.log.published == 2)
    assert await turn.store.reader_age(turn.id) == math.inf
    await there.find(turn.id, "me")

    assert await turn.store.reader_age(turn.id) < 20
