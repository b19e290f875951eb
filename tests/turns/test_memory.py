"""The costs of the memory store: what is counted, and what a heartbeat visits."""

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
    monkeypatch.setattr(module, "_MAX_TOMBSTONES", 10)
    store = MemoryStore(TurnSettings(store_size=20_000))
    for number in range(100):
        await finish(store, f"t{number}", "x" * 1000)
    loaded = [await store.load(f"t{number}") for number in range(100)]
    kept = [number for number, turn in enumerate(loaded) if turn and not turn.evicted]
    remembered = [number for number, turn in enumerate(loaded) if turn and turn.evicted]

    assert kept == list(range(kept[0], 100))
    assert remembered == list(range(kept[0] - 10, kept[0]))
    assert len(kept) * 1000 < 20_000


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
