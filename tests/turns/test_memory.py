"""The costs of the memory store: what is counted, and what a heartbeat visits."""

import asyncio
import itertools
import time
import tracemalloc

import pytest

from headrace.events import Finish, Text, TokenUsage
from headrace.turns import TurnSettings
from headrace.turns import memory as module
from headrace.turns.memory import MemoryStore
from turn_stores import append, header

ENDING = Finish("stop", TokenUsage(1, 1))


async def finish(store, id, *texts):
    await store.create(header(id, request_id=f"request {id}"), b"body")
    events = [*map(Text, texts), ENDING]
    await append(store, id, (1, 0), events)


async def test_finished_turns_are_evicted_above_the_limit_and_only_their_newest_ids_are_remembered(
    monkeypatch,
):
    monkeypatch.setattr(module, "_PART", 5)
    monkeypatch.setattr(module, "_MAX_PARTS", 4)
    store = MemoryStore(TurnSettings(store_size=20_000))
    for number in range(200):
        await finish(store, f"t{number}", "x" * 1000)
    loaded = [await store.load(f"t{number}") for number in range(200)]
    kept = [number for number, turn in enumerate(loaded) if turn and not turn.evicted]
    remembered = [number for number, turn in enumerate(loaded) if turn and turn.evicted]

    assert kept == list(range(kept[0], 200))
    assert remembered == list(range(remembered[0], kept[0]))
    assert 15 < len(remembered) <= 20
    assert {loaded[number].header.owner for number in remembered} == {"me"}
    assert len(kept) * 1000 < 20_000


def test_an_evicted_turn_takes_less_than_100_bytes():
    tombstones = module._Tombstones()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(20_000):
            tombstones.add(module._Record(header(f"t{number}", request_id=f"r{number}"), b"", "p"), "why")
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert tombstones.find("t19999") == ("me", "why")
    assert tombstones.find("t20000") is None
    assert taken < 20_000 * 100


@pytest.mark.parametrize(
    ("limits", "reason"), [({"retention": 0.1}, "retention"), ({"store_size": 1}, "room")]
)
async def test_a_heartbeat_evicts_everything_but_lets_other_tasks_run_meanwhile(monkeypatch, limits, reason):
    monkeypatch.setattr(module, "_MAX_EVICTED", 100)
    large = MemoryStore(TurnSettings())
    for number in range(1000):
        await finish(large, f"t{number}")
    monkeypatch.setattr(time, "monotonic", lambda real=time.monotonic: real() + 1)
    store = MemoryStore(TurnSettings(**limits), beside=large)
    heartbeat = asyncio.create_task(store.heartbeat())
    sizes = []
    while not heartbeat.done():
        sizes.append(len(store._shared._ended))
        await asyncio.sleep(0)

    assert all(before - after <= 100 for before, after in itertools.pairwise(sizes))
    assert len(store._shared._ended) <= 1
    assert reason in (await store.load("t0")).evicted


async def test_a_request_id_is_free_again_when_its_turn_was_evicted():
    store = MemoryStore(TurnSettings(store_size=1))
    await finish(store, "t1")
    await finish(store, "t2")

    assert await store.create(header("t3", request_id="request t1"), b"") == "t3"
    assert await store.create(header("t4", request_id="request t2"), b"") == "t2"


async def test_a_heartbeat_visits_unfinished_and_expired_turns_only(monkeypatch):
    store = MemoryStore(TurnSettings(retention=3600))
    for number in range(100):
        await finish(store, f"t{number}")
    monkeypatch.setattr(store._shared, "turns", None)  # not looked at
    await store.heartbeat()
    monkeypatch.undo()

    assert not (await store.load("t0")).evicted
