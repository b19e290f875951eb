"""Closing the engine while it generates: streams end, nothing hangs, the process exits."""

import asyncio
import subprocess
import sys

import pytest

from dialects import ask
from headrace.engines.llama import LlamaEngine
from headrace.errors import EngineError
from headrace.events import Finish, Text
from headrace_tiny import model_path
from listening import listen

PROMPT = "[gMASK]<sop><|user|>\nWrite a poem about spring<|assistant|>"
ENDLESS = ask(PROMPT, ignore_eos=True, max_tokens=3000)


@pytest.fixture
def engine():
    return LlamaEngine(model_path(), slots=3)


async def collect(engine, events):
    try:
        async for new in listen(engine, ENDLESS):
            events += new
    except EngineError as error:
        return error
    return None


async def test_closing_ends_running_and_queued_generations_with_an_error(engine):
    received = [[] for _ in range(8)]
    tasks = [asyncio.create_task(collect(engine, events)) for events in received]
    while sum(any(isinstance(event, Text) for event in events) for events in received) < 3:
        await asyncio.sleep(0.01)
    await asyncio.wait_for(engine.close(), 60)
    errors = await asyncio.wait_for(asyncio.gather(*tasks), 60)

    assert all(isinstance(error, EngineError) for error in errors)
    assert not any(isinstance(event, Finish) for events in received for event in events)
    assert engine.running == 0


async def test_a_closed_engine_raises(engine):
    await engine.check()
    await engine.close()
    for check in (engine.check(), anext(listen(engine, ENDLESS))):
        with pytest.raises(EngineError, match="unloaded") as caught:
            await check
        assert caught.value.status == 503


async def test_a_generation_can_be_cancelled_while_its_prompt_is_processed(engine):
    long = ask(PROMPT * 250, max_tokens=1)
    generation = listen(engine, long)
    first = await anext(generation)
    await asyncio.wait_for(generation.aclose(), 60)

    assert first[0].processed < first[0].total
    assert engine.running == 0
    await engine.close()


async def test_a_slot_is_free_once_its_call_returned_however_often_its_reader_is_cancelled(
    engine,
):
    tasks = [asyncio.create_task(collect(engine, [])) for _ in range(3)]
    while engine.running < 3:
        await asyncio.sleep(0.01)
    for _ in range(2):
        for task in tasks:
            task.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)

    # llama.cpp may still be computing: then the new generation waits for its slot.
    async for _ in listen(engine, ask(PROMPT, max_tokens=1)):
        assert engine.running <= 3
    async with asyncio.timeout(60):
        while engine.running:
            await asyncio.sleep(0.01)
    await asyncio.wait_for(engine.close(), 60)


PROGRAM = f"""
import asyncio, sys
sys.path.insert(0, {str(sys.path[0])!r})
from headrace.engines import Generation
from headrace.engines.llama import LlamaEngine
from headrace.wire import decode_request
from headrace_tiny import model_path
from listening import listen

async def main(how):
    engine = LlamaEngine(model_path(), slots=2)
    request = decode_request(b'{{"model":"m","messages":[{{"role":"user","content":"x"}}],"ignore_eos":true}}')
    async def run():
        async for _ in listen(engine, Generation({PROMPT!r}, request)):
            pass
    tasks = [asyncio.create_task(run()) for _ in range(4)]
    await asyncio.sleep(0.2)
    if how == "closed":
        await engine.close()
        await asyncio.gather(*tasks, return_exceptions=True)
    elif how == "cancelled":
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("how", ["closed", "cancelled", "just ended"])
def test_the_process_exits_cleanly(how):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
