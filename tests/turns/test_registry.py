"""Several processes, one store: each registry here is what one process has of it."""

import asyncio
import time

import msgspec
import pytest

from continuing_engine import ASSISTANT, ContinuingEngine
from headrace.engines import Generation, ScriptedEngine
from headrace.errors import RequestError
from headrace.events import CANCELLED, Finish, TokenUsage
from headrace.turns import TurnRegistry
from headrace.turns.store import GoneError
from processes import BODY, SCRIPT, die, open_registry, read, shared, start, until
from turn_stores import header, settings

__all__ = ["open_registry"]


async def test_a_turn_is_found_again_and_read_from_its_beginning(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    turn = await start(registry)

    assert (await read(turn))[0] == SCRIPT
    again = await registry.find(turn.id, "me")
    assert await read(again) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))
    assert again is not turn


async def test_only_its_owner_finds_it(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    turn = await start(registry)
    for when in ("while it runs", "when it has ended"):
        with pytest.raises(RequestError) as refused:
            await registry.find(turn.id, "you")

        assert refused.value.status == 404, when
        await read(turn)


async def test_a_turn_that_nobody_may_read_again_is_not_kept(open_registry):
    registry = open_registry(ContinuingEngine(SCRIPT))
    turn = await start(registry, resumable=False)
    await read(turn)

    assert not turn.is_durable
    with pytest.raises(RequestError):
        await registry.find(turn.id, "me")


async def test_a_request_that_cannot_be_served_leaves_nothing_behind(open_stores):
    def refuse(_):
        raise RequestError("no such model", code="1211")

    store = open_stores()
    registry = TurnRegistry(store, refuse, settings())
    with pytest.raises(RequestError, match="no such model"):
        await start(registry, msgspec.json.encode({**msgspec.json.decode(BODY), "request_id": "request-1"}))

    assert await store.create(header(request_id="request-1"), b"") == "t1"


async def test_a_prompt_is_rendered_once(open_stores):
    planned = []

    def plan(request):
        planned.append(request)
        return ContinuingEngine(SCRIPT), Generation(ASSISTANT, request)

    registry = TurnRegistry(open_stores(), plan, settings())
    await read(await start(registry))

    assert len(planned) == 1


@shared
async def test_another_process_reads_along(open_registry):
    engine = ContinuingEngine(SCRIPT, delay=0.002)
    here, there = open_registry(engine), open_registry(ContinuingEngine(SCRIPT))
    turn = await start(here)
    away = await there.find(turn.id, "me")

    assert await asyncio.gather(read(turn), read(away)) == [(SCRIPT, Finish("stop", TokenUsage(7, 27)))] * 2
    assert len(engine.asked) == 1


@shared
@pytest.mark.parametrize("said", [0, 1, 5, 25])
async def test_a_turn_whose_process_died_is_continued_and_its_usage_counted_once(open_registry, said):
    dying, living = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    dying.pause_after(said)
    here, there = open_registry(dying), open_registry(living)
    turn = await start(here, BODY.replace(b'"model"', b'"max_tokens":40,"model"'))
    await until(lambda: len(turn.log.events) == said and turn.log.shown == said)
    die(here)
    away = await there.find(turn.id, "me")

    assert await read(away) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))
    assert "".join(text.text for text in living.asked[0].said) == SCRIPT[: 2 * said]
    assert living.asked[0].request.max_tokens == 40 - said


@shared
async def test_a_process_that_leaves_hands_its_turns_over_at_once(open_registry):
    leaving = ContinuingEngine(SCRIPT)
    leaving.pause_after(3)
    here, there = open_registry(leaving, lease=30), open_registry(ContinuingEngine(SCRIPT), lease=30)
    turn = await start(here)
    await until(lambda: turn.log.shown == 3)
    await here.close()
    before = time.monotonic()

    assert (await read(await there.find(turn.id, "me")))[0] == SCRIPT
    assert leaving.running == 0
    assert time.monotonic() - before < 5  # and not a third of a lease, or a whole one


@shared
async def test_a_process_that_wakes_after_its_lease_is_fenced_and_its_readers_notice_nothing(open_registry):
    asleep, awake = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    asleep.pause_after(4)
    here, there = open_registry(asleep), open_registry(awake)
    turn = await start(here)
    reading = asyncio.create_task(read(turn))
    await until(lambda: turn.log.shown == 4)
    here._heart.cancel()  # no sign of life, but the turn is still there
    away = await there.find(turn.id, "me")

    assert (await read(away))[0] == SCRIPT
    assert asleep.running == 1
    asleep.go_on()
    assert (await reading) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))
    await until(lambda: asleep.running == 0)


@shared
@pytest.mark.parametrize("where", ["here", "there"])
async def test_a_turn_can_be_stopped_from_anywhere(open_registry, where):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    registries = {"here": open_registry(engine), "there": open_registry(ContinuingEngine(SCRIPT))}
    turn = await start(registries["here"])
    reading = asyncio.create_task(read(turn))
    await until(lambda: turn.log.shown == 3)
    stopped = await registries[where].find(turn.id, "me")
    stopped.stop()

    ending = (SCRIPT[:6], Finish(CANCELLED, TokenUsage(7, 3)))
    assert await read(stopped) == ending
    engine.go_on()
    assert await reading == ending
    assert await read(await registries["there"].find(turn.id, "me")) == ending
    await until(lambda: engine.running == 0)


@shared
async def test_a_turn_that_says_nothing_is_stopped_from_elsewhere_too(open_registry):
    silent = ContinuingEngine(SCRIPT)
    silent.pause_after(0)
    here, there = open_registry(silent), open_registry(ContinuingEngine(SCRIPT))
    turn = await start(here)
    reading = asyncio.create_task(read(turn))
    await until(lambda: silent.running == 1)
    (await there.find(turn.id, "me")).stop()

    await until(lambda: silent.running == 0)
    assert (await reading)[1].reason == CANCELLED


@shared
async def test_an_engine_that_cannot_go_on_ends_the_turn_with_what_there_is(open_registry):
    dying, other = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    dying.pause_after(5)
    other.continues = False
    here, there = open_registry(dying), open_registry(other)
    turn = await start(here)
    await until(lambda: turn.log.shown == 5)
    die(here)
    text, ending = await read(await there.find(turn.id, "me"))

    assert text == SCRIPT[:10]
    assert (ending.reason, ending.usage) == ("network_error", TokenUsage(7, 5))
    assert other.asked == []


async def test_a_turn_that_nobody_reads_goes_on_for_a_while_and_is_stopped_then(open_registry):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    registry = open_registry(engine, linger=2)
    turn = await start(registry)
    turn.reader(idle=9).close()
    await asyncio.sleep(0.1)
    reader = turn.reader(idle=9)  # back in time
    await asyncio.sleep(2.2)
    assert engine.running == 1
    reader.close()
    await until(lambda: engine.running == 0)

    ending = (await read(await registry.find(turn.id, "me")))[1]
    assert (ending.reason, ending.error) == ("network_error", "nobody read it for 2 s")


@shared
async def test_a_turn_that_is_read_elsewhere_is_not_stopped(open_registry):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    here, there = (open_registry(e, linger=0.1, lease=2) for e in (engine, ContinuingEngine(SCRIPT)))
    turn = await start(here)
    reading = asyncio.create_task(read(await there.find(turn.id, "me")))
    await asyncio.sleep(3)
    assert engine.running == 1
    engine.go_on()

    assert (await reading)[0] == SCRIPT


async def test_a_detached_turn_is_never_stopped_for_lack_of_readers(open_registry):
    engine = ContinuingEngine(SCRIPT, delay=0.01)
    registry = open_registry(engine, linger=0.05)
    turn = await start(registry, resumable=False, detached=True)
    (await registry.find(turn.id, "me")).reader(idle=9).close()
    await until(lambda: turn.log.is_finished)

    assert (await read(await registry.find(turn.id, "me")))[0] == SCRIPT


async def test_an_evicted_turn_is_gone_with_the_reason(open_stores):
    engine = ContinuingEngine(SCRIPT)
    store = open_stores(retention=0.1)
    registry = TurnRegistry(store, lambda request: (engine, Generation(f"q{ASSISTANT}", request)), settings())
    turn = await start(registry)
    await read(turn)
    await asyncio.sleep(0.15)
    await store.beat()

    with pytest.raises(GoneError, match="its log was kept as long"):
        await registry.find(turn.id, "me")
    await registry.close()


async def test_an_engine_that_fails_at_once_fails_in_the_same_way_for_a_later_reader(open_registry):
    registry = open_registry(ScriptedEngine([RequestError("too long", code="1261")]))
    turn = await start(registry)
    for found in (turn, await registry.find(turn.id, "me")):
        reader = found.reader(idle=9)
        with pytest.raises(Exception, match="too long") as raised:
            await reader.read()
        reader.close()

        assert (raised.value.code, raised.value.status) == ("1261", 400)


async def test_a_durable_turn_has_a_seed_and_going_on_has_another(open_registry):
    engine = ContinuingEngine(SCRIPT)
    registry = open_registry(engine)
    await read(await start(registry))
    await read(await start(registry, BODY.replace(b'"model"', b'"seed":5,"model"')))
    await read(await start(registry, resumable=False))
    seeds = [generation.request.seed for generation in engine.asked]

    assert isinstance(seeds[0], int)
    assert seeds[1:] == [5, None]
