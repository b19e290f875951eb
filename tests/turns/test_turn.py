"""A turn without a store: its log and its endings. (With a store: test_registry.py.)"""

import asyncio
import re

import pytest

from headrace.engines import ScriptedEngine
from headrace.errors import EngineError
from headrace.events import CANCELLED, Finish, Text, TokenUsage
from headrace.turns import Turn, new_turn_id
from headrace.turns.store import TurnHeader
from headrace.wire import decode_request
from log_readers import AwaitableReader
from plans import planner
from turn_stores import settings

REQUEST = decode_request(b'{"model":"m","messages":[{"role":"user","content":"x"}]}')


def begin(engine, **limits):
    header = TurnHeader(id=new_turn_id(0), owner="", created=0)
    plan = planner(engine, "a b")(REQUEST)
    turn = Turn(header, REQUEST, lambda: plan, settings(**limits))
    turn.produce(plan)
    return turn


async def ended(turn):
    while not turn.log.is_finished:
        await asyncio.sleep(0)
    return turn.log.events


async def stopped(engine):
    async with asyncio.timeout(5):
        while engine.running:
            await asyncio.sleep(0)


def test_an_id_is_the_time_in_beijing_and_16_hex_digits():
    assert re.fullmatch(r"20260313050448[0-9a-f]{16}", new_turn_id(1773349488))
    assert new_turn_id(0) != new_turn_id(0)


async def test_the_log_holds_the_events_of_the_engine():
    assert await ended(begin(ScriptedEngine("abcdef", piece=4))) == [
        Text("abcd"),
        Text("ef"),
        Finish("stop", TokenUsage(prompt=2, completion=2)),
    ]


@pytest.mark.parametrize("text", ["abc" * 10_000, "a" * 500])
async def test_an_answer_has_a_bound_of_memory(text):
    engine = ScriptedEngine(text, piece=max(len(text) // 500, 1))
    turn = begin(engine, max_answer_size=20_000)
    *events, finish = await ended(turn)

    assert (finish.reason, "max_answer_size" in finish.error) == ("network_error", True)
    assert 0 < len(events) < 500
    await stopped(engine)


async def test_a_cancelled_turn_stops_its_engine_and_keeps_its_output():
    engine = ScriptedEngine("abc" * 100, delay=0.01)
    turn = begin(engine)
    while not turn.log.events:
        await asyncio.sleep(0)
    turn.stop()
    turn.stop()

    assert await ended(turn) == [Text("abca"), Finish(CANCELLED, TokenUsage(completion=1))]
    await stopped(engine)


async def test_a_finished_turn_cannot_be_cancelled():
    turn = begin(ScriptedEngine("ab", finish_reason="length"))
    events = list(await ended(turn))
    turn.stop()
    await asyncio.sleep(0.01)

    assert turn.log.events == events


async def test_without_readers_it_is_cancelled_at_once():
    engine = ScriptedEngine("abc" * 100, delay=0.01)
    turn = begin(engine)
    one, two = AwaitableReader(turn), turn.reader()
    await one.read()
    one.close()
    await asyncio.sleep(0.02)
    assert engine.running == 1
    two.close()

    assert (await ended(turn))[-1].error == "the client disconnected"
    await stopped(engine)


async def test_an_engine_error_in_mid_stream_is_the_ending():
    events = await ended(begin(ScriptedEngine(["ab", EngineError("gone")])))

    assert (events[-1].reason, events[-1].error) == ("network_error", "gone")


async def test_an_engine_that_stops_without_an_ending_is_a_network_error():
    class Endless(ScriptedEngine):
        async def _play(self, generation):
            yield [Text("a")]

    assert (await ended(begin(Endless(""))))[-1].reason == "network_error"


async def test_a_defect_is_logged_and_ends_the_turn(caplog):
    class Broken(ScriptedEngine):
        async def _play(self, generation):
            yield [Text("a")]
            raise ZeroDivisionError

    turn = begin(Broken(""))
    events = await ended(turn)

    assert events[-1].error == "internal server error; see the server log"
    assert "ZeroDivisionError" in caplog.text


async def test_a_defect_at_the_start_is_logged_and_ends_the_turn(caplog):
    class Broken(ScriptedEngine):
        def start(self, generation, listener):
            raise ZeroDivisionError

    (failure,) = await ended(begin(Broken("")))

    assert (failure.code, failure.message) == ("1230", "internal server error; see the server log")
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("moment", range(4))
async def test_cancelling_at_any_moment_leaves_nothing_running(moment):
    engine = ScriptedEngine("abcdefgh" * 9)
    turn = begin(engine)
    for _ in range(moment):
        await asyncio.sleep(0)
    turn.stop()

    assert (await ended(turn))[-1] == Finish(CANCELLED, TokenUsage(completion=len(turn.log.events) - 1))
    await stopped(engine)
