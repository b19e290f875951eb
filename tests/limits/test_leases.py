"""A slot belongs to a process that renews it by the clock, whatever its turns do."""

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.errors import EngineError
from headrace.events import Finish, Text, TokenUsage
from headrace.limits import KeyLimits
from listening import GeneratedEngine
from processes import die, read, start
from waiting import until_async

TESTS = Path(__file__).parents[1]
LEASE = 0.5  # seconds
sqlite = pytest.mark.parametrize("store_kind", ["sqlite"], indirect=True)


@sqlite
async def test_a_turn_that_is_silent_for_more_than_a_lease_keeps_its_slot(open_server):
    engine = ContinuingEngine("abcd")
    engine.pause_after(0)
    first, second = (
        open_server(each, lease=LEASE, max_in_flight=1) for each in (engine, ContinuingEngine("ef"))
    )
    silent = await start(first.registry)
    await until_async(lambda: engine.running)
    waiting = await start(second.registry)
    await asyncio.sleep(2.2 * LEASE)
    assert not waiting.log.count
    assert waiting.log.progress.queued == 1
    engine.go_on()
    assert [(await read(turn))[0] for turn in (silent, waiting)] == ["abcd", "ef"]
    await until_async(lambda: second.outcomes)
    assert second.outcomes[0].queue_seconds >= 2 * LEASE


@sqlite
async def test_a_process_that_stood_still_ends_its_turn_and_one_slot_is_free(open_server, store_name):
    stopped = await asyncio.create_subprocess_exec(
        sys.executable,
        "stopped_server.py",
        store_name,
        str(LEASE),
        cwd=TESTS,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert await stopped.stdout.readline() == b'"started"\n'
        stopped.send_signal(signal.SIGSTOP)
        engine = ContinuingEngine("abcd")
        engine.pause_after(1)
        server = open_server(engine, lease=LEASE, max_in_flight=1)
        turns = [await start(server.registry) for _ in range(2)]
        await until_async(lambda: engine.running)
        stopped.send_signal(signal.SIGCONT)
        ending = await stopped.stdout.readline()
        assert b"network_error" in ending
        assert b"slot" in ending
        assert engine.running == 1
        engine.go_on()
        assert [(await read(turn))[0] for turn in turns] == ["abcd", "abcd"]
    finally:
        if stopped.returncode is None:
            stopped.kill()
        await stopped.wait()


class Unsteady(GeneratedEngine):
    """Answers, fails at once or later, or is silent until a timeout; counts the runs of all processes."""

    running = most = 0

    async def generate(self, generation):
        Unsteady.running += 1
        Unsteady.most = max(Unsteady.most, Unsteady.running)
        try:
            fate = random.choice(["answer", "502", "late failure", "silent"])
            await asyncio.sleep(random.uniform(0.0, 0.02))
            if fate == "502":
                raise EngineError("bad gateway")
            yield [Text("a")]
            await asyncio.sleep(1.0 if fate == "silent" else 0.01)
            if fate == "late failure":
                raise EngineError("connection reset")
            yield [Finish("stop", TokenUsage(1, 1))]
        finally:
            Unsteady.running -= 1


@sqlite
async def test_slots_come_back_however_turns_end_and_wherever(open_server):
    random.seed(1)
    Unsteady.running = Unsteady.most = 0
    engine = TimeoutEngine(Unsteady(), Timeouts(idle=0.05))
    servers = [open_server(engine, KeyLimits(), lease=LEASE, max_in_flight=2) for _ in range(3)]

    async def run(server, *, resumable):
        turn = await start(server.registry, resumable=resumable)
        reader = turn.reader()
        leaves_after = random.choice([0.0, 0.01, 0.05, 60.0])
        while not turn.log.is_finished and leaves_after > 0:
            await asyncio.sleep(0.005)
            leaves_after -= 0.005
        if random.random() < 0.5:
            turn.stop()
        reader.close()
        if resumable:
            turn.stop()

    await asyncio.gather(*(run(servers[number % 3], resumable=number % 2 == 0) for number in range(60)))
    assert Unsteady.most == 2

    engine = ContinuingEngine("ab")
    engine.pause_after(0)
    dead, other = (open_server(engine, lease=LEASE, max_in_flight=2) for _ in range(2))
    await start(dead.registry)
    await until_async(lambda: engine.running == 1)
    die(dead.registry)
    dead.admission._limiter._task.cancel()
    turns = [await start(other.registry) for _ in range(3)]
    await until_async(lambda: engine.running == 2)
    await asyncio.sleep(LEASE)
    assert engine.running == 2
    engine.go_on()
    for turn in turns:
        assert (await read(turn))[0] == "ab"
    for server in servers:
        assert not server.admission.running
        assert not server.admission.waiting
