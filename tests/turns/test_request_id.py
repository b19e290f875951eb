"""A `request_id` is an idempotency key: never a second generation."""

import asyncio

import msgspec
import pytest

from continuing_engine import ContinuingEngine
from headrace.errors import LimitError, RequestError
from headrace.events import Text
from headrace.turns.store import GoneError
from processes import BODY, SCRIPT, open_registry, read, start
from turn_stores import shared
from waiting import until_async

__all__ = ["open_registry"]


def body(**fields):
    return msgspec.json.encode({**msgspec.json.decode(BODY), "request_id": "request-1", **fields})


async def test_the_same_request_while_it_runs_is_the_same_turn(open_registry):
    engine = ContinuingEngine(SCRIPT, delay=0.002)
    registry = open_registry(engine)
    first = await start(registry, body(), resumable=False)
    again = await start(registry, body(stream=True), resumable=False)

    assert again is first
    assert (await asyncio.gather(read(first), read(again)))[1][0] == SCRIPT
    assert len(engine.asked) == 1


async def test_the_same_request_after_its_end_is_the_same_answer(open_registry):
    engine = ContinuingEngine(SCRIPT)
    registry = open_registry(engine)
    first = await start(registry, body())
    await read(first)
    again = await start(registry, body())

    assert (again.id, (await read(again))[0]) == (first.id, SCRIPT)
    assert len(engine.asked) == 1


@shared
async def test_the_same_request_to_several_processes_at_once_is_one_turn(open_registry):
    engines = [ContinuingEngine(SCRIPT, delay=0.001) for _ in range(3)]
    registries = [open_registry(engine) for engine in engines]
    turns = await asyncio.gather(*(start(registry, body()) for registry in registries * 3))

    assert len({turn.id for turn in turns}) == 1
    assert {(await read(turn))[0] for turn in turns} == {SCRIPT}
    assert sum(len(engine.asked) for engine in engines) == 1


async def test_another_request_with_that_id_is_rejected_while_the_first_runs(open_registry):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(2)
    registry = open_registry(engine)
    first = await start(registry, body())
    with pytest.raises(RequestError, match='another request is running as "request-1"') as rejected:
        await start(registry, body(temperature=0.5))

    assert rejected.value.code == "1231"
    engine.go_on()
    await read(first)
    second = await start(registry, body(temperature=0.5))
    assert second.id != first.id
    assert (await read(second))[0] == SCRIPT
    assert (await start(registry, body(temperature=0.5))).id == second.id


async def test_with_duplicates_reject_the_same_request_is_rejected_while_it_runs(open_registry):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(2)
    registry = open_registry(engine, duplicates="reject")
    first = await start(registry, body())
    with pytest.raises(RequestError, match='this request is running as "request-1"') as rejected:
        await start(registry, body())

    assert rejected.value.code == "1231"
    engine.go_on()
    await read(first)
    assert (await start(registry, body())).id == first.id
    assert len(engine.asked) == 1


@pytest.mark.parametrize("length", [0, 2], ids=["at once", "later"])
async def test_a_failed_request_may_be_sent_again(open_registry, length):
    class Failing(ContinuingEngine):
        async def generate(self, generation):
            self.asked.append(generation)
            yield [Text(SCRIPT[:length])] if length else []
            raise LimitError("too many")

    engine = Failing(SCRIPT)
    registry = open_registry(engine)
    first = await start(registry, body())
    await until_async(lambda: first.log.is_finished)
    second = await start(registry, body())

    assert second.id != first.id
    await until_async(lambda: len(engine.asked) == 2)


async def test_a_streamed_request_and_a_complete_one_are_the_same(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    streamed = await start(registry, body(stream=True, tool_stream=True))

    assert await start(registry, body()) is streamed


async def test_another_owners_request_with_that_id_is_another_turn(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    mine, yours = await start(registry, body()), await start(registry, body(), "you")

    assert mine.id != yours.id


async def test_after_eviction_the_request_id_starts_a_new_turn(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT), retention=0.2)
    first = await start(registry, body())
    await read(first)
    async with asyncio.timeout(10):
        with pytest.raises(GoneError):
            while await registry.find(first.id, "me"):
                await asyncio.sleep(0.02)
    second = await start(registry, body())

    assert second.id != first.id
    assert (await read(second))[0] == SCRIPT


@shared
async def test_a_turn_whose_start_is_cancelled_when_the_store_has_created_it_is_produced(
    open_registry, monkeypatch
):
    """An ASGI server can cancel a request whose client has disconnected; the client repeats it elsewhere."""
    here, there = (open_registry(ContinuingEngine(SCRIPT), lease=0.3) for _ in range(2))
    (shard,) = here._shards
    create, created = shard.store.create, asyncio.Event()

    async def create_without_reply(*arguments, **options):
        await create(*arguments, **options)
        created.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(shard.store, "create", create_without_reply)
    starting = asyncio.create_task(start(here, body()))
    await created.wait()
    starting.cancel()

    assert (await read(await start(there, body())))[0] == SCRIPT
    assert starting.cancelled()
