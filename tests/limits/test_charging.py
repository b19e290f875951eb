"""A key is charged once for what an engine has produced, however the answer ends."""

import asyncio

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.errors import EngineError, LimitError
from headrace.events import Content, Finish, Reasoning, TokenUsage, ToolCallArguments, ToolCallStart
from headrace.limits import KeyLimits
from log_readers import AwaitableReader
from processes import die, read, start
from turn_stores import memory, shared
from virtual_time import virtual_time
from waiting import until_async

__all__ = ["virtual_time"]

SCRIPT = "word " * 80  # 200 pieces of two characters
PROMPT, ANSWER = 7, 201  # tokens, as `ContinuingEngine` counts them
LIMIT = KeyLimits(tokens_per_5h=1_000_000, requests_per_minute=1000)


async def usage(server):
    """The tokens and requests that the key is charged, when nothing runs any more."""
    async with asyncio.timeout(10):
        while (used := await server.admission.usage("me")).in_flight:
            await asyncio.sleep(0.01)
    return used.tokens, used.requests


async def read_until(turn, count):
    reader = AwaitableReader(turn)
    while turn.log.published < count:
        await reader.read()
    return reader


ENDINGS = {
    "text": ([*"abc", Finish("stop", TokenUsage(5, 3))], 8),
    "call": (
        [ToolCallStart(0, "f"), ToolCallArguments(0, "{}"), Finish("tool_calls", TokenUsage(5, 9))],
        14,
    ),
    "parsed": ([Reasoning("a"), Content("b"), Finish("stop", TokenUsage(5, 2, 4, 1))], 7),
    "error after 100 tokens": ([*"x" * 100, EngineError("down")], 100),
    "length": ([*"abc", Finish("length", TokenUsage(5, 3))], 8),
    "error at once": ([EngineError("down")], 0),
}


@memory
@pytest.mark.parametrize("resumable", [True, False])
@pytest.mark.parametrize("ending", ENDINGS)
async def test_an_answer_is_charged_as_the_log_counts_it(open_server, ending, resumable):
    script, tokens = ENDINGS[ending]
    server = open_server(ScriptedEngine(script), LIMIT)
    turn = await start(server.registry, resumable=resumable)
    reader = turn.reader()
    await until_async(lambda: server.outcomes)
    reader.close()
    assert await usage(server) == (tokens, 1)


@memory
@pytest.mark.parametrize("leave", ["disconnect", "delete"])
@pytest.mark.parametrize("resumable", [True, False])
async def test_what_was_produced_before_the_client_left_is_charged(open_server, leave, resumable):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(100)
    server = open_server(engine, LIMIT)
    turn = await start(server.registry, resumable=resumable)
    reader = await read_until(turn, 100)
    if leave == "delete":
        turn.stop()
    reader.close()
    if resumable and leave == "disconnect":  # it continues without a reader
        engine.go_on()
    await until_async(lambda: server.outcomes)
    tokens = ANSWER if resumable and leave == "disconnect" else 100
    assert await usage(server) == (PROMPT + tokens, 1)


async def test_replays_are_not_charged(open_server):
    server = open_server(ContinuingEngine(SCRIPT), LIMIT)
    turn = await start(server.registry, body=BODY_WITH_ID)
    await read(turn)
    for _ in range(3):
        again = await start(server.registry, body=BODY_WITH_ID)
        assert again.id == turn.id
        await read(again)
        await read(await server.registry.find(turn.id, "me"))
    assert await usage(server) == (PROMPT + ANSWER, 1)


BODY_WITH_ID = b'{"model":"m","request_id":"my-request","messages":[{"role":"user","content":"x"}]}'


@shared
async def test_a_turn_that_another_process_continues_is_charged_once(open_server):
    first, second = ContinuingEngine(SCRIPT), ContinuingEngine(SCRIPT)
    first.pause_after(100)
    dying, living = open_server(first, LIMIT, lease=0.3), open_server(second, LIMIT, lease=0.3)
    turn = await start(dying.registry)
    await read_until(turn, 100)
    die(dying.registry)
    dying.admission._limiter._task.cancel()
    await read(await living.registry.find(turn.id, "me"))
    await until_async(lambda: living.outcomes)
    assert await usage(living) == (PROMPT + ANSWER, 1)
    assert second.asked[0].prefix


@shared
async def test_a_turn_that_another_process_ends_is_charged_and_free(open_server):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(100)
    first, second = (open_server(each, LIMIT, max_in_flight=1) for each in (engine, ContinuingEngine("ab")))
    turn = await start(first.registry)
    reader = await read_until(turn, 100)
    (await second.registry.find(turn.id, "me")).stop()
    await until_async(lambda: second.outcomes and turn.log.is_finished)
    reader.close()
    assert await usage(second) == (PROMPT + 100, 1)
    assert not first.outcomes
    await read(await start(second.registry))
    assert await usage(first) == (PROMPT + 100 + PROMPT + 2, 2)


@memory
async def test_neither_waiting_nor_a_refusal_is_charged(open_server, virtual_time):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(100)
    limits = KeyLimits(in_flight=1, tokens_per_5h=1_000_000, requests_per_minute=2)
    server = open_server(engine, limits, queue_timeout=5.0)
    first = await start(server.registry)
    refused = await start(server.registry)
    waiting = await start(server.registry, resumable=False)
    readers = [turn.reader() for turn in (first, refused, waiting)]
    await asyncio.sleep(2)
    readers[-1].close()
    await until_async(lambda: refused.log.is_finished and waiting.log.is_finished)
    with pytest.raises(LimitError) as caught:
        readers[1].take()
    assert (caught.value.code, server.admission.refused["1302"]) == ("1302", 1)
    engine.go_on()
    await until_async(lambda: first.log.is_finished)
    assert await usage(server) == (PROMPT + ANSWER, 1)
    await read(await start(server.registry))  # the second of this minute
    assert await usage(server) == (2 * (PROMPT + ANSWER), 2)
    another = await start(server.registry)
    await until_async(lambda: another.log.is_finished)
    assert another.log.last.code == "1303"


@memory
async def test_the_answer_that_crosses_the_limit_ends_and_the_next_one_waits_for_the_window(
    open_server, virtual_time
):
    limits = KeyLimits(tokens_per_5h=100)
    server = open_server(ContinuingEngine(SCRIPT), limits, reserved_tokens=50, queue_timeout=5.0)
    loop = asyncio.get_running_loop()
    assert (await read(await start(server.registry, resumable=False)))[1].reason == "stop"
    ended = loop.time()
    assert await usage(server) == (PROMPT + ANSWER, 1)
    refused = await start(server.registry, resumable=False)
    await until_async(lambda: refused.log.is_finished)
    failure = refused.log.last
    assert (failure.code, failure.status) == ("1303", 429)

    await asyncio.sleep(failure.retry_after)
    waited = loop.time() - ended
    assert 5 * 3600 <= waited <= 1.2 * 5 * 3600
    assert (await read(await start(server.registry, resumable=False)))[1].reason == "stop"
