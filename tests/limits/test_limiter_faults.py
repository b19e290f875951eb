"""Several processes of which some are killed, or whose store fails at random, before and after it has written."""

import asyncio
import random

import pytest

from limits_race import Race, compete
from shared_limiters import LEASE, shared, store
from tickets import ticket
from turn_stores import redis_server, store_kind, store_name
from turn_stores import shared as shared_stores
from virtual_time import virtual_time

__all__ = ["redis_server", "shared", "store", "store_kind", "store_name", "virtual_time"]

KEYS = {
    "a": {"in_flight": 2, "tokens_per_5h": 10**6},
    "b": {"requests_per_minute": 1000},
    "c": {"tokens_per_5h": 10**6},
}


class Clients:
    """Turns of three processes: they end, leave while they wait, or are taken over.

    Args:
        processes: three.
        limit: turns in flight.
        chance: a source of random numbers.
    """

    def __init__(self, processes, limit, chance):
        self.processes = processes
        self.limit = limit
        self.chance = chance
        self.running = set()
        self.tokens = dict.fromkeys(KEYS, 0)

    async def run(self, number):
        """Run a turn and charge it here, too."""
        chance = self.chance
        await asyncio.sleep(chance.uniform(0, 20))
        key = chance.choice([*KEYS])
        process = chance.choice(self.processes)
        turn = process.enter(ticket(f"turn-{number}", key=key, user=chance.choice("uv"), **KEYS[key]))
        leaves_at = asyncio.get_running_loop().time() + chance.choice([1, 5, 1000])
        while not process.runs(turn):
            await asyncio.sleep(0.05)
            if asyncio.get_running_loop().time() >= leaves_at and not process.runs(turn):
                process.limiter.leave(turn.id)
                return
        self.running.add(turn.id)
        assert len(self.running) <= self.limit
        await asyncio.sleep(chance.uniform(0.1, 2))
        if chance.random() < 0.2:  # another process takes it over, and this one notices
            process.limiter.leave(turn.id)
            self.running.discard(turn.id)
            process = chance.choice([other for other in self.processes if other is not process])
            process.enter(ticket(turn.id, key=key, is_continued=True, **KEYS[key]))
            while not process.runs(turn):
                await asyncio.sleep(0.05)
            self.running.add(turn.id)
            assert len(self.running) <= self.limit
        tokens = chance.randrange(1000)
        self.running.discard(turn.id)
        process.settle(turn, tokens)
        self.tokens[key] += tokens


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.usefixtures("virtual_time")
async def test_limits_hold_and_each_turn_is_charged_once(shared, store, seed):
    chance = random.Random(seed)
    processes = shared(3, max_in_flight=3, max_queued=0)
    store.fails = lambda: chance.random() < 0.1
    clients = Clients(processes, 3, chance)
    await asyncio.gather(*map(clients.run, range(60)))
    store.fails = lambda: False
    await asyncio.sleep(2 * LEASE)

    for key in KEYS:
        usage = await processes[0].limiter.usage(key)
        assert usage.in_flight == 0
        assert usage.tokens == clients.tokens[key]


@shared_stores
async def test_killed_processes_neither_exceed_nor_block_a_limit(store_name):
    race = Race(store_name, processes=3, limit=2, turns=40, duration=0.01, lease=0.5, kills=1, interval=0.1)
    result = await compete(race)

    assert result.most_running <= 2
    assert result.most_slots == 2
    assert result.unused_slots == 0
    assert result.ended == 40
