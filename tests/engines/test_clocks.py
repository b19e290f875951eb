"""No engine can keep a reader waiting for ever."""

import asyncio

import pytest

from dialects import ask
from headrace.engines import ScriptedEngine
from headrace.engines.clocks import Clocked, Clocks
from headrace.errors import EngineError
from headrace.events import Finish, Progress, Text
from virtual_time import virtual_time

__all__ = ["virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")
OFF = {"first_token": 0, "idle": 0, "total": 0}


class Slow:
    """Says each event after so many seconds."""

    def __init__(self, *script):
        self.script = script
        self.left = False

    async def generate(self, generation):
        try:
            for seconds, *events in self.script:
                await asyncio.sleep(seconds)
                yield events
        finally:
            self.left = True

    async def check(self):
        pass

    async def close(self):
        pass


async def heard(engine, clocks):
    """What was said, the error, and how long it took."""
    clock = asyncio.get_running_loop().time
    events, began = [], clock()
    try:
        async for said in Clocked(engine, Clocks(**{**OFF, **clocks})).generate(ask()):
            events += said
    except EngineError as error:
        return events, error, clock() - began
    return events, None, clock() - began


@pytest.mark.parametrize(
    ("script", "clocks", "count", "message"),
    [
        ([(60, Text("a"))], {"first_token": 0.05}, 0, "said nothing for 0.05 s"),
        ([(0, Progress(1, 9)), (0.03, Progress(2, 9)), (60, Text("a"))], {"first_token": 0.05, "idle": 9}, 2, "said nothing for 0.05 s"),
        ([(0.03,)] * 3 + [(60,)], {"first_token": 0.05, "idle": 9}, 0, "said nothing for 0.05 s"),
        ([(0, Text("a")), (60, Text("b"))], {"first_token": 9, "idle": 0.05}, 1, "said nothing for 0.05 s"),
        ([(0, Text("a")), (0.06, Text("b")), (60, Text("c"))], {"first_token": 0.03, "idle": 0.1}, 2, "said nothing for 0.1 s"),
        ([(0.02, Text("a"))] * 100, {"idle": 1, "total": 0.1}, None, "was not done after 0.1 s"),
    ],
)  # fmt: skip
async def test_each_clock_ends_the_wait_and_the_engine(script, clocks, count, message):
    engine = Slow(*script)
    events, error, took = await heard(engine, clocks)

    assert message in error.message
    assert asyncio.current_task().cancelling() == 0
    assert error.status == 504
    assert engine.left
    assert took < 2
    assert count is None or len(events) == count


@pytest.mark.parametrize("clocks", [{}, {"first_token": 1, "idle": 1, "total": 1}])
async def test_an_engine_in_time_is_left_alone(clocks):
    events, error, _ = await heard(Slow((0.02, Text("a")), (0.02, Text("b")), (0, Finish("stop"))), clocks)

    assert error is None
    assert len(events) == 3


@pytest.mark.parametrize("clocks", [{"first_token": 0.4}, {"first_token": 9, "idle": 0.4}])
async def test_signs_of_life_extend_the_wait_and_are_not_passed_on(clocks):
    """A server writes a long call, which is held until it is whole."""
    beginning = [(0, Text("a"))] if "idle" in clocks else []
    script = [*beginning, *[(0.05,)] * 10, (0, Finish("stop"))]
    stream = Clocked(Slow(*script), Clocks(**{**OFF, **clocks})).generate(ask())

    assert [len(events) async for events in stream] == [1] * (len(beginning) + 1)


async def test_a_slow_reader_is_no_slow_engine():
    clocks = Clocks(first_token=0.05, idle=0.05, total=0)
    async for _ in Clocked(ScriptedEngine("abc", piece=1), clocks).generate(ask()):
        await asyncio.sleep(0.12)


async def test_who_cancels_gets_a_cancellation_and_no_error():
    task = asyncio.create_task(heard(Slow((60, Text("a"))), {"first_token": 60}))
    await asyncio.sleep(0.01)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leaving_closes_the_engine():
    engine = Slow((0, Text("a")), (60, Text("b")))
    generation = Clocked(engine, Clocks()).generate(ask())
    await anext(generation)
    await generation.aclose()

    assert engine.left
