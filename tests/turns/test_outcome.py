"""How a turn ended is reported once, by the process that produced the ending."""

import asyncio
from types import SimpleNamespace

import pytest

from continuing_engine import ContinuingEngine
from headrace.engines import ScriptedEngine
from headrace.errors import (
    AccessError,
    DecodeError,
    EngineError,
    HeadraceError,
    IncompleteError,
    LimitError,
    RequestError,
    ShutdownError,
    UnreachableError,
)
from headrace.events import Content, Finish, TokenUsage
from headrace.turns import OutcomeKind, TurnRegistry
from headrace.turns.observers import Observers
from headrace.turns.store import GoneError, StoreError
from plans import planner
from processes import SCRIPT, die, open_registry, read, start
from turn_stores import memory, settings, shared
from waiting import until_async

__all__ = ["open_registry"]

TOOLS = {"f": {"type": "object", "properties": {}}}
RECEIVED = Finish("length", TokenUsage(7, 3, 0, 1))
CALL = "<think>Hm.</think><tool_call>f\n</tool_call>"


class Outcomes(list):
    """An observer that keeps what it receives."""

    finished = list.append


async def outcome_of(open_registry, engine, **kind):
    """The only outcome of a turn that is read to its end."""
    outcomes = Outcomes()
    turn = await start(open_registry(engine, [outcomes]), **kind)
    reader = turn.reader()
    await until_async(lambda: turn.log.is_finished)
    reader.close()
    await until_async(lambda: outcomes)
    (outcome,) = outcomes
    assert (outcome.id, outcome.owner, outcome.model) == (turn.id, "me", "glm")
    return outcome


resumable = pytest.mark.parametrize("resumable", [True, False])


@resumable
async def test_a_finished_turn(open_registry, resumable):
    outcome = await outcome_of(open_registry, ContinuingEngine(SCRIPT, delay=0.005), resumable=resumable)

    assert (outcome.finish_reason, outcome.usage, outcome.error) == ("stop", TokenUsage(7, 27), "")
    assert (outcome.kind, outcome.stop_seconds) == (OutcomeKind.STOP, None)
    assert 0.005 <= outcome.first_token_seconds < outcome.seconds
    assert outcome.seconds >= 26 * 0.005


@memory
async def test_the_finish_reason_and_the_reasoning_tokens_are_those_that_a_client_receives(open_stores):
    outcomes = Outcomes()
    engine = ScriptedEngine(CALL, piece=4)
    plan = planner(engine, "a b", TOOLS)
    registry = TurnRegistry(open_stores(), plan, settings(), [outcomes])
    turn = await start(registry)
    await read(turn)
    await until_async(lambda: outcomes)
    await registry.close()
    received = plan(turn.request).new_interpreter().feed(turn.log.events)[-1]

    assert outcomes[0].finish_reason == received.reason == "tool_calls"
    assert outcomes[0].usage == received.usage
    assert received.usage.reasoning > 0


@memory
async def test_an_answer_that_arrived_parsed(open_registry):
    class Parsed(ScriptedEngine):
        async def _play(self, generation):
            yield [Content("Hi")]
            yield [Finish("tool_calls", TokenUsage(1, 2, 0, 1))]

    outcome = await outcome_of(open_registry, Parsed(""))

    assert (outcome.finish_reason, outcome.usage) == ("tool_calls", TokenUsage(1, 2, 0, 1))


@resumable
async def test_a_failure_before_the_first_event(open_registry, resumable):
    engine = ScriptedEngine([RequestError("too long", code="1261")])
    outcome = await outcome_of(open_registry, engine, resumable=resumable)

    assert (outcome.finish_reason, outcome.usage, outcome.error) == ("error", TokenUsage(), "too long")
    assert outcome.first_token_seconds is None


async def test_a_failure_in_mid_stream(open_registry):
    outcome = await outcome_of(open_registry, ScriptedEngine(["ab", EngineError("no GPU")]))

    assert (outcome.finish_reason, outcome.error) == ("network_error", "no GPU")
    assert (outcome.kind, outcome.code) == (OutcomeKind.ENGINE_ERROR, "1234")


class SlowToStop(ContinuingEngine):
    """Takes a moment to stop."""

    async def generate(self, generation):
        try:
            async for events in super().generate(generation):
                yield events
        finally:
            await asyncio.sleep(0.05)


async def cancelled(open_registry, cancel, *, resumable=True, **limits):
    """The outcome of a turn that is cancelled after three tokens."""
    engine, outcomes = SlowToStop(SCRIPT), Outcomes()
    engine.pause_after(3)
    registry = open_registry(engine, [outcomes], **limits)
    turn = await start(registry, resumable=resumable)
    reader = turn.reader()
    await until_async(lambda: turn.log.published == 3)
    await cancel(registry, turn, reader)
    await until_async(lambda: outcomes)
    (outcome,) = outcomes
    assert outcome.usage.completion == 3
    assert outcome.stop_seconds >= 0.05
    return outcome.finish_reason, outcome.kind, outcome.error


async def test_a_turn_cancelled_by_delete(open_registry):
    async def delete(registry, turn, reader):
        turn.stop()

    assert await cancelled(open_registry, delete) == ("stop", OutcomeKind.CANCELLED, "")


async def disconnect(registry, turn, reader):
    reader.close()


@memory
async def test_a_turn_cancelled_by_a_disconnect(open_registry):
    ending = ("network_error", OutcomeKind.CLIENT_DISCONNECT, "the client disconnected")

    assert await cancelled(open_registry, disconnect, resumable=False) == ending


async def test_an_orphaned_turn(open_registry):
    ending = ("network_error", OutcomeKind.ORPHANED, "no reader for 0.1 s")

    assert await cancelled(open_registry, disconnect, linger=0.1) == ending


@memory
async def test_a_turn_lost_at_shutdown(open_registry):
    async def shut_down(registry, turn, reader):
        await registry.close()

    ending = ("network_error", OutcomeKind.SHUTDOWN, "the server is shutting down")

    assert await cancelled(open_registry, shut_down) == ending


@shared
async def test_at_shutdown_a_turn_that_others_can_continue_has_no_outcome(open_registry):
    engine, outcomes = ContinuingEngine(SCRIPT), Outcomes()
    engine.pause_after(3)
    registry = open_registry(engine, [outcomes])
    turn = await start(registry)
    await until_async(lambda: turn.log.published == 3)
    await registry.close()
    await asyncio.sleep(0.01)

    assert outcomes == []


@shared
async def test_a_turn_read_in_two_processes_has_one_outcome(open_registry):
    here, there = Outcomes(), Outcomes()
    producer = open_registry(ContinuingEngine(SCRIPT, delay=0.002), [here])
    follower = open_registry(ContinuingEngine(SCRIPT), [there])
    turn = await start(producer)
    await asyncio.gather(read(turn), read(await follower.find(turn.id, "me")))
    await read(await follower.find(turn.id, "me"))  # loaded again, after its end
    await until_async(lambda: here)

    assert (len(here), there) == (1, [])


@shared
async def test_a_turn_that_was_taken_over_has_one_outcome_by_the_process_that_took_over(open_registry):
    dying, outcomes, living = ContinuingEngine(SCRIPT), Outcomes(), Outcomes()
    dying.pause_after(5)
    taking_over = ContinuingEngine(SCRIPT)
    here, there = open_registry(dying, [outcomes]), open_registry(taking_over, [living])
    turn = await start(here)
    await until_async(lambda: turn.log.published == 5)
    die(here)
    await read(await there.find(turn.id, "me"))
    await until_async(lambda: living)
    (outcome,) = living

    assert outcomes == []
    assert (outcome.finish_reason, outcome.usage) == ("stop", TokenUsage(7, 27))
    assert (outcome.first_token_seconds, outcome.was_taken_over) == (None, True)
    assert taking_over.asked[0].prompt_ids == tuple(range(7))  # as the first process read


@shared
async def test_a_turn_cancelled_in_another_process_has_one_outcome_there(open_registry):
    engine, here, there = ContinuingEngine(SCRIPT), Outcomes(), Outcomes()
    engine.pause_after(3)
    producer, other = open_registry(engine, [here]), open_registry(ContinuingEngine(SCRIPT), [there])
    turn = await start(producer)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 3)
    (await other.find(turn.id, "me")).stop()
    await reading
    await until_async(lambda: there)
    (outcome,) = there

    assert here == []
    assert (outcome.finish_reason, outcome.kind) == ("stop", OutcomeKind.CANCELLED)
    assert (outcome.model, outcome.stop_seconds) == ("glm", None)


@memory
async def test_an_error_in_an_observer_affects_neither_the_turn_nor_other_observers(open_registry, caplog):
    class Broken:
        def finished(self, outcome):
            raise ZeroDivisionError

    outcomes = Outcomes()
    turn = await start(open_registry(ContinuingEngine(SCRIPT), [Broken(), outcomes]))

    assert (await read(turn))[0] == SCRIPT
    await until_async(lambda: outcomes)
    assert "ZeroDivisionError" in caplog.text


async def test_the_outcome_has_the_ending_that_a_reader_has_interpreted(open_registry):
    outcomes = Outcomes()
    turn = await start(open_registry(ScriptedEngine(CALL), [outcomes]))
    reader = turn.reader(lambda: setattr(turn.log, "received", RECEIVED) if turn.log.has_ending else None)
    await until_async(lambda: outcomes)
    reader.close()
    assert (outcomes[0].finish_reason, outcomes[0].usage) == (RECEIVED.reason, RECEIVED.usage)


@memory
@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *((Finish(kind.value), kind) for kind in OutcomeKind if kind.is_success),
        (Finish("a reason of a server"), OutcomeKind.OTHER),
        (Finish("network_error", error="it gave up"), OutcomeKind.ENGINE_ERROR),
        (EngineError("no GPU"), OutcomeKind.ENGINE_ERROR),
        (EngineError("silence", status=504), OutcomeKind.ENGINE_TIMEOUT),
        (EngineError("a defect", code="1230"), OutcomeKind.INTERNAL_ERROR),
        (HeadraceError("a defect"), OutcomeKind.INTERNAL_ERROR),
        (UnreachableError("no route"), OutcomeKind.ENGINE_UNREACHABLE),
        (IncompleteError("EOF"), OutcomeKind.ENGINE_INCOMPLETE),
        (DecodeError("not JSON"), OutcomeKind.ENGINE_ERROR),
        (LimitError("busy"), OutcomeKind.LIMIT),
        (ShutdownError("leaving"), OutcomeKind.SHUTDOWN),
        (RequestError("too long", code="1261"), OutcomeKind.REJECTED),
        (AccessError("no permission"), OutcomeKind.REJECTED),
        (StoreError("no disk"), OutcomeKind.STORE_ERROR),
        (GoneError("t1", "evicted"), OutcomeKind.STORE_ERROR),
    ],
)
@pytest.mark.parametrize("began", [True, False])
async def test_each_ending_has_its_kind_of_outcome(open_registry, ending, kind, began):
    class Ending(ScriptedEngine):
        async def _play(self, generation):
            if began:
                yield [Content("Hi")]
            if isinstance(ending, HeadraceError):
                raise ending
            yield [ending]

    outcome = await outcome_of(open_registry, Ending(""), resumable=False)

    assert outcome.kind is kind
    assert outcome.code == (ending.code if isinstance(ending, HeadraceError) else "")


async def test_the_intervals_between_deltas(open_registry):
    engine = ContinuingEngine(SCRIPT, delay=0.002)
    outcome = await outcome_of(open_registry, engine)

    intervals = outcome.intervals

    assert sum(intervals.counts) == 26  # between 26 tokens and the ending
    assert intervals.counts[0] <= 1  # all but the last one are longer than a millisecond
    assert 25 * 0.002 <= intervals.total < outcome.seconds


@memory
async def test_a_pause_for_a_slow_client_is_no_stall(open_registry):
    engine, outcomes = ContinuingEngine(SCRIPT), Outcomes()
    engine.pause_after(3)
    turn = await start(open_registry(engine, [outcomes]), resumable=False)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 3)
    turn.pause()
    await asyncio.sleep(0.05)
    turn.resume()
    engine.go_on()
    await reading
    await until_async(lambda: outcomes)

    assert outcomes[0].intervals.total < outcomes[0].seconds - 0.05


@pytest.mark.parametrize("method", ["started", "left", "finished"])
def test_an_error_in_an_observer_does_not_concern_the_others(method, caplog):
    received = []

    class Observer:
        def __getattr__(self, name):
            return lambda *what: received.append((name, what))

    class Failing:
        def started(self, *_):
            raise ZeroDivisionError

        left = finished = started

    turn = SimpleNamespace(id="t")
    what = (turn, 1, 0) if method == "started" else (turn,)
    getattr(Observers(of_producer=[Failing(), Observer()]), method)(*what)

    assert received == [(method, what)]
    assert [record.turn for record in caplog.records] == ["t"]
