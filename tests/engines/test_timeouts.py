"""An engine that stops emitting events is stopped after a timeout."""

import asyncio

import pytest

from dialects import ask
from headrace.engines import ScriptedEngine
from headrace.engines.timeouts import TimeoutEngine, Timeouts
from headrace.errors import EngineError, RequestError, UnreachableError
from headrace.events import Finish, Progress, Text
from listening import GeneratedEngine, listen
from virtual_time import virtual_time

__all__ = ["virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")
OFF = {"first_token": 0, "idle": 0, "total": 0}


class Slow(GeneratedEngine):
    """An engine that emits each event after a delay."""

    def __init__(self, *script):
        self.script = script
        self.is_closed = False

    async def generate(self, generation):
        try:
            for seconds, *events in self.script:
                await asyncio.sleep(seconds)
                yield events
        finally:
            self.is_closed = True


async def run(engine, timeouts):
    """The events, the error, and the elapsed seconds."""
    clock = asyncio.get_running_loop().time
    events, started_at = [], clock()
    try:
        async for new in listen(TimeoutEngine(engine, Timeouts(**{**OFF, **timeouts})), ask()):
            events += new
    except EngineError as error:
        return events, error, clock() - started_at
    return events, None, clock() - started_at


@pytest.mark.parametrize(
    ("script", "timeouts", "count", "message"),
    [
        ([(60, Text("a"))], {"first_token": 0.05}, 0, "sent nothing for 0.05 s"),
        ([(0, Progress(1, 9)), (0.03, Progress(2, 9)), (60, Text("a"))], {"first_token": 0.05, "idle": 9}, 2, "sent nothing for 0.05 s"),
        ([(0.03,)] * 3 + [(60,)], {"first_token": 0.05, "idle": 9}, 0, "sent nothing for 0.05 s"),
        ([(0, Text("a")), (60, Text("b"))], {"first_token": 9, "idle": 0.05}, 1, "sent nothing for 0.05 s"),
        ([(0, Text("a")), (0.06, Text("b")), (60, Text("c"))], {"first_token": 0.03, "idle": 0.1}, 2, "sent nothing for 0.1 s"),
        ([(0.02, Text("a"))] * 100, {"idle": 1, "total": 0.1}, None, "did not finish within 0.1 s"),
    ],
)  # fmt: skip
async def test_each_timeout_ends_the_wait_and_the_engine(script, timeouts, count, message):
    engine = Slow(*script)
    events, error, took = await run(engine, timeouts)

    assert message in error.message
    assert asyncio.current_task().cancelling() == 0
    assert error.status == 504
    assert engine.is_closed
    assert took < 2
    assert count is None or len(events) == count


@pytest.mark.parametrize("timeouts", [{}, {"first_token": 1, "idle": 1, "total": 1}])
async def test_an_engine_within_its_timeouts_is_not_interrupted(timeouts):
    events, error, _ = await run(Slow((0.02, Text("a")), (0.02, Text("b")), (0, Finish("stop"))), timeouts)

    assert error is None
    assert len(events) == 3


@pytest.mark.parametrize("timeouts", [{"first_token": 0.4}, {"first_token": 9, "idle": 0.4}])
async def test_heartbeats_restart_the_timeouts_and_are_not_passed_on(timeouts):
    """A server sends a long call, which is buffered until it is complete."""
    beginning = [(0, Text("a"))] if "idle" in timeouts else []
    script = [*beginning, *[(0.05,)] * 10, (0, Finish("stop"))]
    stream = listen(TimeoutEngine(Slow(*script), Timeouts(**{**OFF, **timeouts})), ask())

    assert [len(events) async for events in stream] == [1] * (len(beginning) + 1)


async def test_a_slow_reader_causes_no_timeout():
    timeouts = Timeouts(first_token=0.05, idle=0.05, total=0)
    async for _ in listen(TimeoutEngine(ScriptedEngine("abc", piece=1), timeouts), ask()):
        await asyncio.sleep(0.12)


async def test_a_cancel_raises_cancelled_error_and_no_timeout():
    task = asyncio.create_task(run(Slow((60, Text("a"))), {"first_token": 60}))
    await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_generator_closes_the_engine():
    engine = Slow((0, Text("a")), (60, Text("b")))
    generation = listen(TimeoutEngine(engine, Timeouts()), ask())
    await anext(generation)
    await generation.aclose()

    assert engine.is_closed


class Probed(Slow):
    """An engine that counts its checks, which fail with `error`."""

    error = None

    def __init__(self, *script):
        super().__init__(*script)
        self.checks = 0

    async def check(self):
        self.checks += 1
        if self.error is not None:
            raise self.error


SILENT = [(0, Text("a")), (100, Text("b")), (0, Finish("stop"))]


async def test_a_silent_server_that_is_gone_ends_the_answer_before_the_idle_timeout():
    engine = Probed(*SILENT)
    engine.error = UnreachableError("it refuses connections", public="the model's server is unreachable")
    events, error, took = await run(engine, {"first_token": 300, "idle": 120})

    assert events == [Text("a")]
    assert error.message == "the model's server is unreachable"
    assert took < 11
    assert engine.is_closed


@pytest.mark.parametrize("error", [None, EngineError("status 503"), RequestError("status 404")])
async def test_a_silent_server_that_responds_may_go_on(error):
    engine = Probed(*SILENT)
    engine.error = error
    events, error, _ = await run(engine, {"first_token": 300, "idle": 120})

    assert error is None
    assert len(events) == 3
    assert 8 <= engine.checks <= 10


async def test_a_server_is_not_probed_before_its_first_token_or_while_it_produces():
    engine = Probed((50, Text("a")), *[(5, Text("b"))] * 20)
    await run(engine, {"first_token": 300, "idle": 120})

    assert engine.checks == 0
