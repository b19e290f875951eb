"""An engine whose runs wait for a slot: what the listener and the limiter receive, and when."""

import asyncio

import pytest

from continuing_engine import ContinuingEngine
from fake_limiter import FakeLimiter, generation
from headrace.errors import EngineError, LimitError, RequestError
from headrace.events import Finish, Progress, Text
from headrace.limits import (
    Admission,
    Granted,
    KeyLimits,
    LimitedEngine,
    LimitSettings,
    Lost,
    Refused,
    Waiting,
)
from listening import Listening
from virtual_time import virtual_time

__all__ = ["virtual_time"]

BUSY = Refused("1302", "this API key has 1 turn in flight", 10.0)
NEVER = Refused("1214", "max_tokens is too large", 0.0)


@pytest.fixture
def limiter():
    return FakeLimiter()


@pytest.fixture
def admission(limiter):
    return Admission(
        limiter, lambda: LimitSettings(max_in_flight=1, queue_timeout=60.0), lambda _: KeyLimits()
    )


@pytest.fixture
async def started(virtual_time, limiter, admission):
    """A run that has entered: its listener, the run, and a function that reports a decision."""
    listener, engine = Listening(), ContinuingEngine("abcd")
    run = LimitedEngine(engine, "glm", admission).start(generation(), listener)
    assert [name for name, *_ in limiter.calls] == ["enter"]
    return listener, run, limiter.reports["t1"]


def counts(admission):
    return len(admission.waiting), len(admission.running)


async def test_a_granted_run_is_the_engines(started, admission):
    listener, _, report = started
    assert counts(admission) == (1, 0)
    report(Granted())
    assert counts(admission) == (0, 1)
    assert await listener.ended is None
    assert [event.text for event in listener.events if isinstance(event, Text)] == ["ab", "cd"]
    assert counts(admission) == (0, 0)


async def test_nothing_of_the_limits_is_in_the_path_of_an_event(virtual_time, admission):
    class Direct(ContinuingEngine):
        def start(self, generation, listener):
            self.on_events = listener.on_events
            return super().start(generation, listener)

    for limits in (LimitSettings(), LimitSettings(max_in_flight=1)):
        listener, engine, limiter = Listening(), Direct("abcd"), FakeLimiter()
        LimitedEngine(
            engine, "glm", Admission(limiter, lambda limits=limits: limits, lambda _: KeyLimits())
        ).start(generation(), listener)
        await asyncio.sleep(0)
        for report in limiter.reports.values():
            report(Granted())
        assert engine.on_events == listener.on_events
        await listener.ended


async def test_a_waiting_run_knows_its_position(started):
    listener, _, report = started
    report(Waiting(2, BUSY))
    report(Waiting(1, BUSY))
    report(Granted())
    await listener.ended
    assert listener.events[:3] == [Progress(0, 0, queued=2), Progress(0, 0, queued=1), Progress(0, 0)]
    assert isinstance(listener.events[-1], Finish)


async def test_a_run_that_is_stopped_leaves_the_queue_and_ends_afterwards(started, limiter, admission):
    listener, run, report = started
    report(Waiting(1, BUSY))
    run.stop()
    run.stop()
    assert not listener.ended.done()
    assert limiter.calls[1:] == [("leave", "t1")]
    assert await listener.ended is None
    assert counts(admission) == (0, 0)


async def test_a_run_that_is_stopped_at_once_leaves(virtual_time, limiter, admission):
    listener = Listening()
    LimitedEngine(ContinuingEngine("ab"), "glm", admission).start(generation(), listener).stop()
    assert await listener.ended is None
    assert [name for name, *_ in limiter.calls] == ["enter", "leave"]


class DecidingLimiter(FakeLimiter):
    """Decides within `enter`, as a limiter in memory does."""

    def __init__(self, decision):
        super().__init__()
        self.decision = decision

    def enter(self, ticket, report):
        super().enter(ticket, report)
        return self.decision


async def test_a_run_that_is_granted_at_once_starts_at_once(virtual_time):
    admission = Admission(
        DecidingLimiter(Granted()), lambda: LimitSettings(max_in_flight=1), lambda _: KeyLimits()
    )
    listener = Listening()
    LimitedEngine(ContinuingEngine("ab"), "glm", admission).start(generation(), listener)
    assert counts(admission) == (0, 1)
    assert await listener.ended is None


async def test_a_defect_after_the_wait_ends_the_turn(virtual_time, limiter, admission, caplog):
    class Defective(ContinuingEngine):
        def start(self, generation, listener):
            raise ValueError("a defect")

    listener = Listening()
    LimitedEngine(Defective("ab"), "glm", admission).start(generation(), listener)
    limiter.reports["t1"](Granted())
    error = await listener.ended
    assert (type(error), error.code, counts(admission)) == (EngineError, "1230", (0, 0))
    assert "a defect" in caplog.text


@pytest.mark.parametrize("decision", [BUSY, Waiting(1, BUSY)])
async def test_any_other_decision_reaches_the_listener_later(virtual_time, decision):
    settings = LimitSettings(max_in_flight=1, queue_timeout=60.0)
    admission = Admission(DecidingLimiter(decision), lambda: settings, lambda _: KeyLimits())
    listener = Listening()
    LimitedEngine(ContinuingEngine("ab"), "glm", admission).start(generation(), listener)
    assert (listener.events, listener.ended.done()) == ([], False)
    assert isinstance(await listener.ended, LimitError)


@pytest.mark.parametrize("has_waited", [True, False])
async def test_a_refusal_has_its_code_and_a_jittered_time(started, admission, has_waited):
    listener, _, report = started
    if has_waited:
        report(Waiting(1, BUSY))
    report(BUSY)
    error = await listener.ended
    assert (type(error), error.code, error.status, error.message) == (LimitError, "1302", 429, BUSY.message)
    assert 10.0 <= error.retry_after <= 11.0
    assert admission.refused["1302"] == 1


async def test_what_can_never_run_is_the_requests_fault(started):
    listener, _, report = started
    report(NEVER)
    error = await listener.ended
    assert (type(error), error.code, error.status) == (RequestError, "1214", 400)


async def test_a_run_waits_no_longer_than_the_queue_timeout(started, limiter, admission):
    listener, _, report = started
    start = asyncio.get_running_loop().time()
    report(Waiting(2, BUSY))
    await asyncio.sleep(59)
    report(Waiting(1, BUSY._replace(code="1303")))
    error = await listener.ended
    assert asyncio.get_running_loop().time() - start == pytest.approx(60, abs=0.1)
    assert (error.code, error.message) == ("1303", f"60 s in the queue: {BUSY.message}")
    assert limiter.calls[1:] == [("leave", "t1")]
    assert counts(admission) == (0, 0)


async def test_a_run_that_has_been_granted_a_slot_has_no_timeout(virtual_time, limiter, admission):
    listener = Listening()
    engine = ContinuingEngine("abcd", delay=50.0)
    LimitedEngine(engine, "glm", admission).start(generation(), listener)
    await asyncio.sleep(0)
    limiter.reports["t1"](Waiting(1, BUSY))
    limiter.reports["t1"](Granted())
    assert await listener.ended is None


async def test_an_engine_that_does_not_start_ends_the_run(virtual_time, limiter, admission, caplog):
    for error, code in ((EngineError("down"), "1234"), (ZeroDivisionError(), "1230")):

        class Down(ContinuingEngine):
            def start(self, generation, listener, error=error):
                raise error

        listener = Listening()
        LimitedEngine(Down(""), "glm", admission).start(generation(), listener)
        await asyncio.sleep(0)
        limiter.reports["t1"](Granted())
        assert (await listener.ended).code == code
        assert counts(admission) == (0, 0)
    assert "ZeroDivisionError" in caplog.text


async def test_a_lost_slot_stops_the_engine_and_names_the_reason(virtual_time, limiter, admission):
    listener, engine = Listening(), ContinuingEngine("abcd", delay=50.0)
    LimitedEngine(engine, "glm", admission).start(generation(), listener)
    await asyncio.sleep(0)
    limiter.reports["t1"](Granted())
    await asyncio.sleep(60)
    limiter.reports["t1"](Lost())
    error = await listener.ended
    assert isinstance(error, EngineError)
    assert "slot" in error.message
    assert engine.running == 0


async def test_a_waiting_run_that_another_process_has_taken_over_ends(started):
    listener, _, report = started
    report(Waiting(1, BUSY))
    report(Lost())
    assert isinstance(await listener.ended, EngineError)


async def test_a_pause_lasts_over_the_wait(virtual_time, limiter, admission):
    listener = Listening()
    run = LimitedEngine(ContinuingEngine("abcd"), "glm", admission).start(generation(), listener)
    await asyncio.sleep(0)
    run.pause()
    limiter.reports["t1"](Granted())
    await asyncio.sleep(9)
    assert not listener.ended.done()
    run.resume()
    assert await listener.ended is None
