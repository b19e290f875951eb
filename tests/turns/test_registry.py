"""Turns in one store, and in several processes: each registry is a process."""

import asyncio
import time

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.errors import RequestError
from headrace.events import CANCELLED, Finish, TokenUsage
from headrace.turns import TurnRegistry
from headrace.turns.store import GoneError
from log_readers import AwaitableReader
from plans import planner
from processes import BODY, SCRIPT, die, open_registry, read, start, stop_heartbeats
from turn_stores import settings, shared
from waiting import until_async

__all__ = ["open_registry"]


async def test_a_turn_is_found_again_and_read_from_its_beginning(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    turn = await start(registry)

    assert (await read(turn))[0] == SCRIPT
    again = await registry.find(turn.id, "me")
    assert await read(again) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))
    assert again is not turn


async def test_only_its_owner_finds_a_turn(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    turn = await start(registry)
    for when in ("while it runs", "when it has ended"):
        with pytest.raises(RequestError) as rejected:
            await registry.find(turn.id, "you")

        assert rejected.value.status == 404, when
        await read(turn)


async def test_a_turn_that_is_not_resumable_is_not_kept(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    turn = await start(registry, resumable=False)
    await read(turn)

    assert not turn.log.is_saved
    with pytest.raises(RequestError):
        await registry.find(turn.id, "me")


async def test_a_prompt_is_rendered_once(open_stores):
    planned = []

    def plan(request, owner):
        planned.append(request)
        return planner(ContinuingEngine(SCRIPT))(request, owner)

    registry = TurnRegistry(open_stores(), plan, settings())
    await read(await start(registry))

    assert len(planned) == 1


@shared
async def test_a_turn_can_be_read_in_another_process_while_it_runs(open_registry):
    engine = ContinuingEngine(SCRIPT, delay=0.002)
    here, there = open_registry(engine), open_registry(ContinuingEngine(SCRIPT))
    turn = await start(here)
    away = await there.find(turn.id, "me")

    assert await asyncio.gather(read(turn), read(away)) == [(SCRIPT, Finish("stop", TokenUsage(7, 27)))] * 2
    assert len(engine.asked) == 1


@shared
@pytest.mark.parametrize("tokens", [0, 1, 5, 25])
async def test_a_turn_whose_process_died_is_continued_and_its_usage_counted_once(open_registry, tokens):
    dying, living = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    dying.pause_after(tokens)
    here, there = open_registry(dying), open_registry(living)
    turn = await start(here, BODY.replace(b'"model"', b'"max_tokens":40,"model"'))
    await until_async(lambda: len(turn.log.events) == tokens == turn.log.published)
    die(here)
    away = await there.find(turn.id, "me")

    assert await read(away) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))
    assert "".join(text.text for text in living.asked[0].prefix) == SCRIPT[: 2 * tokens]
    assert living.asked[0].request.max_tokens == 40 - tokens


@shared
async def test_the_turns_of_a_process_that_shuts_down_are_taken_over_at_once(open_registry):
    leaving = ContinuingEngine(SCRIPT)
    leaving.pause_after(3)
    here, there = open_registry(leaving, lease=30), open_registry(ContinuingEngine(SCRIPT), lease=30)
    turn = await start(here)
    await until_async(lambda: turn.log.published == 3)
    await here.close()
    before = time.monotonic()

    assert (await read(await there.find(turn.id, "me")))[0] == SCRIPT
    assert leaving.running == 0
    assert time.monotonic() - before < 5  # neither a third of a lease nor a full one


@shared
async def test_a_process_that_resumes_after_its_lease_is_fenced_and_its_readers_continue(open_registry):
    asleep, awake = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    asleep.pause_after(4)
    here, there = open_registry(asleep), open_registry(awake)
    turn = await start(here)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 4)
    stop_heartbeats(here)  # but the turn still runs
    away = await there.find(turn.id, "me")

    assert (await read(away))[0] == SCRIPT
    assert asleep.running == 1
    asleep.go_on()
    assert (await reading) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))
    await until_async(lambda: asleep.running == 0)


@shared
@pytest.mark.parametrize("where", ["here", "there"])
async def test_a_turn_can_be_cancelled_in_any_process(open_registry, where):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    registries = {"here": open_registry(engine), "there": open_registry(ContinuingEngine(SCRIPT))}
    turn = await start(registries["here"])
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 3)
    stopped = await registries[where].find(turn.id, "me")
    stopped.stop()

    ending = (SCRIPT[:6], Finish(CANCELLED, TokenUsage(7, 3)))
    assert await read(stopped) == ending
    engine.go_on()
    assert await reading == ending
    assert await read(await registries["there"].find(turn.id, "me")) == ending
    await until_async(lambda: engine.running == 0)


@shared
async def test_a_silent_turn_can_be_cancelled_in_another_process(open_registry):
    silent = ContinuingEngine(SCRIPT)
    silent.pause_after(0)
    here, there = open_registry(silent), open_registry(ContinuingEngine(SCRIPT))
    turn = await start(here)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: silent.running == 1)
    (await there.find(turn.id, "me")).stop()

    await until_async(lambda: silent.running == 0)
    assert (await reading)[1].reason == CANCELLED


@shared
async def test_an_engine_that_cannot_continue_ends_the_turn_with_the_output_so_far(open_registry):
    dying, other = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    dying.pause_after(5)
    other.continues = False
    here, there = open_registry(dying), open_registry(other)
    turn = await start(here)
    await until_async(lambda: turn.log.published == 5)
    die(here)
    text, ending = await read(await there.find(turn.id, "me"))

    assert text == SCRIPT[:10]
    assert (ending.reason, ending.usage) == ("network_error", TokenUsage(7, 5))
    assert other.asked == []


async def test_an_orphaned_turn_is_cancelled_after_the_linger_time(open_registry):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    registry = open_registry(engine, linger=2)
    turn = await start(registry)
    turn.reader().close()
    await asyncio.sleep(0.1)
    reader = turn.reader()  # back in time
    await asyncio.sleep(2.2)
    assert engine.running == 1
    reader.close()
    await until_async(lambda: engine.running == 0)

    ending = (await read(await registry.find(turn.id, "me")))[1]
    assert (ending.reason, ending.error) == ("network_error", "no reader for 2 s")


@shared
async def test_a_turn_with_a_reader_in_another_process_is_not_cancelled(open_registry):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    here, there = (open_registry(e, linger=0.1, lease=2) for e in (engine, ContinuingEngine(SCRIPT)))
    turn = await start(here)
    reading = asyncio.create_task(read(await there.find(turn.id, "me")))
    await asyncio.sleep(3)
    assert engine.running == 1
    engine.go_on()

    assert (await reading)[0] == SCRIPT


async def test_a_detached_turn_is_never_cancelled_for_lack_of_readers(open_registry):
    engine = ContinuingEngine(SCRIPT, delay=0.01)
    registry = open_registry(engine, linger=0.05)
    turn = await start(registry, resumable=False, detached=True)
    (await registry.find(turn.id, "me")).reader().close()
    await until_async(lambda: turn.log.is_finished)

    assert (await read(await registry.find(turn.id, "me")))[0] == SCRIPT


async def test_an_evicted_turn_is_gone_with_the_reason(open_stores):
    engine = ContinuingEngine(SCRIPT)
    store = open_stores(retention=0.1)
    registry = TurnRegistry(store, planner(engine), settings())
    turn = await start(registry)
    await read(turn)
    await asyncio.sleep(0.15)
    await store.heartbeat()

    with pytest.raises(GoneError, match="its retention time is over"):
        await registry.find(turn.id, "me")
    await registry.close()


async def test_an_immediate_failure_is_the_same_for_a_later_reader(open_registry):
    registry = open_registry(ScriptedEngine([RequestError("too long", code="1261")]))
    turn = await start(registry)
    for found in (turn, await registry.find(turn.id, "me")):
        reader = AwaitableReader(found)
        with pytest.raises(Exception, match="too long") as raised:
            await reader.read()
        reader.close()

        assert (raised.value.code, raised.value.status) == ("1261", 400)


async def test_a_durable_turn_has_a_derived_seed(open_registry):
    engine = ContinuingEngine(SCRIPT)
    registry = open_registry(engine)
    await read(await start(registry))
    await read(await start(registry, BODY.replace(b'"model"', b'"seed":5,"model"')))
    await read(await start(registry, resumable=False))
    seeds = [generation.request.seed for generation in engine.asked]

    assert isinstance(seeds[0], int)
    assert seeds[1:] == [5, None]
