"""What a server sees of limiters: the local one, and shared ones of several processes."""

import asyncio

import pytest

from headrace.limits import LimitSettings, LocalLimiter, Lost, Refused, Waiting
from shared_limiters import LEASE, RETRY_TIMEOUT, Process, shared, store
from tickets import MINUTE, ticket
from virtual_time import virtual_time

__all__ = ["shared", "store", "virtual_time"]

pytestmark = pytest.mark.usefixtures("virtual_time")


@pytest.fixture(params=["local", "shared"])
async def single(request, shared):
    """Create a process alone."""
    limiters = []

    def create(**limits):
        if request.param == "shared":
            return shared(**limits)[0]
        limiters.append(LocalLimiter(lambda: LimitSettings(**limits)))
        return Process(limiters[0])

    yield create
    for limiter in limiters:
        await limiter.close()


async def test_the_local_limiter_decides_at_once():
    process = Process(LocalLimiter(lambda: LimitSettings(max_in_flight=1)))
    assert process.runs(process.enter(ticket()))
    assert len(asyncio.all_tasks()) == 1


async def test_a_turn_waits_for_another(single):
    process = single(max_in_flight=1)
    first, second, third = (process.enter(ticket()) for _ in range(3))
    await asyncio.sleep(1)
    assert process.runs(first)
    assert [process.state(turn).position for turn in (second, third)] == [1, 2]
    assert len(process.reports[third.id]) == 1

    process.settle(first)
    await asyncio.sleep(1)

    assert process.runs(second)
    assert process.state(third).position == 1


async def test_a_refused_turn_is_reported_once(single):
    process = single(max_in_flight=1, max_queued=1)
    turns = [process.enter(ticket()) for _ in range(3)]
    await asyncio.sleep(1)

    assert isinstance(process.state(turns[2]), Refused)
    process.settle(turns[0])
    process.settle(turns[1])
    await asyncio.sleep(1)
    assert len(process.reports[turns[2].id]) == 1
    assert process.runs(process.enter(ticket())) or await asyncio.sleep(1, True)


async def test_a_turn_starts_when_its_window_has_room(single):
    process = single()
    first, second = (process.enter(ticket(key="k", requests_per_minute=1)) for _ in range(2))
    await asyncio.sleep(1)
    process.settle(first)
    await asyncio.sleep(MINUTE - 2)
    assert process.state(second).refusal.retry_after <= 1.3
    await asyncio.sleep(1.5)

    assert process.runs(second)


async def test_a_turn_that_leaves_gives_its_place_up(single):
    process = single(max_in_flight=1)
    running, waiting, last = (process.enter(ticket(key="k", tokens_per_5h=1000)) for _ in range(3))
    await asyncio.sleep(1)
    process.limiter.leave(waiting.id)
    process.limiter.leave(waiting.id)
    await asyncio.sleep(1)
    assert process.state(last).position == 1
    process.settle(running, 70)
    await asyncio.sleep(1)

    assert process.runs(last)
    assert isinstance(process.state(waiting), Waiting)
    assert (await process.limiter.usage("k"))[:3] == (1, 2, 170)


async def test_entering_again_only_replaces_the_report(single):
    process = single(max_in_flight=1)
    turn = process.enter(ticket(key="k", requests_per_minute=5))
    await asyncio.sleep(1)
    process.enter(turn)

    assert process.runs(turn)
    assert (await process.limiter.usage("k"))[:3] == (1, 1, 100)


async def test_a_turn_of_another_process_is_settled(single):
    """The process that ends the turn of one that has died settles it."""
    process = single(max_in_flight=1)
    process.limiter.settle("unknown", "k", 100)
    await asyncio.sleep(1)

    assert (await process.limiter.usage("k"))[:3] == (0, 0, 0)
    turn = process.enter(ticket())
    await asyncio.sleep(1)
    assert process.runs(turn)


async def test_operations_of_a_tick_are_one_write(shared, store):
    (process,) = shared(max_in_flight=5)
    turns = [process.enter(ticket()) for _ in range(10)]
    await asyncio.sleep(0.02)
    assert store.writes == 1
    for turn in turns:
        process.settle(turn)
    await asyncio.sleep(0.02)
    assert store.writes == 2
    assert store.values == {}


async def test_nothing_runs_without_turns(shared):
    (process,) = shared(max_in_flight=1)
    turn = process.enter(ticket())
    await asyncio.sleep(1)
    process.settle(turn)
    await asyncio.sleep(1)

    assert len(asyncio.all_tasks()) == 1


async def test_processes_share_a_limit_and_a_queue(shared, store):
    processes = shared(4, max_in_flight=4, max_queued=0)
    turns = [(process, process.enter(ticket())) for _ in range(25) for process in processes]
    most = ended = 0
    while turns:
        await asyncio.sleep(0.06)
        running = [(process, turn) for process, turn in turns if process.runs(turn)]
        most = max(most, len(running))
        assert len(running) == min(4, len(turns))
        for process, turn in running:
            process.settle(turn)
            turns.remove((process, turn))
            ended += 1
        await asyncio.sleep(0.05)

    assert (most, ended) == (4, 100)
    assert store.conflicts


async def test_a_turn_that_is_silent_keeps_its_slot(shared):
    first, second = shared(2, max_in_flight=1)
    silent = first.enter(ticket())
    await asyncio.sleep(1)
    waiting = second.enter(ticket())
    await asyncio.sleep(3 * MINUTE)
    assert first.runs(silent)
    assert second.state(waiting).position == 1

    first.settle(silent)
    await asyncio.sleep(0.1)
    assert second.runs(waiting)


async def test_a_process_that_dies_leaves_its_slots_for_a_lease(shared):
    first, second = shared(2, max_in_flight=1)
    first.enter(ticket())
    await asyncio.sleep(0.1)
    waiting = second.enter(ticket())
    first.documents.is_open.clear()
    await asyncio.sleep(LEASE - 1)
    assert not second.runs(waiting)
    await asyncio.sleep(2)
    assert second.runs(waiting)


async def test_a_process_that_stood_still_is_told_what_it_has_lost(shared):
    first, second = shared(2, max_in_flight=1)
    stopped = first.enter(ticket())
    await asyncio.sleep(0.1)
    waiting = second.enter(ticket())
    first.documents.is_open.clear()
    await asyncio.sleep(1.5 * LEASE)
    assert second.runs(waiting)
    first.documents.is_open.set()
    await asyncio.sleep(1)

    assert first.state(stopped) == Lost()
    first.limiter.leave(stopped.id)
    await asyncio.sleep(1)
    assert second.runs(waiting)


async def test_a_takeover_is_told_to_the_former_process(shared):
    first, second = shared(2, max_in_flight=1)
    turn = first.enter(ticket("turn"))
    await asyncio.sleep(0.1)
    second.enter(ticket("turn", is_continued=True))
    await asyncio.sleep(LEASE)

    assert second.runs(turn)
    assert first.state(turn) == Lost()


async def test_a_turn_that_is_taken_back_runs(shared):
    first, second = shared(2, max_in_flight=1)
    turn = first.enter(ticket("turn"))
    await asyncio.sleep(0.1)
    second.enter(ticket("turn", is_continued=True))
    await asyncio.sleep(LEASE)
    first.enter(ticket("turn", is_continued=True))
    await asyncio.sleep(LEASE)

    assert first.runs(turn)
    assert second.state(turn) == Lost()


async def test_a_turn_that_leaves_before_it_knows_of_its_slot_is_not_charged(shared):
    first, second = shared(2, max_in_flight=1)
    running = first.enter(ticket())
    await asyncio.sleep(0.1)
    waiting = second.enter(ticket(key="k", tokens_per_5h=1000))
    await asyncio.sleep(0.1)
    second.documents.is_open.clear()
    first.settle(running)
    await asyncio.sleep(0.1)
    assert (await first.limiter.usage("k"))[:3] == (1, 1, 100)
    second.limiter.leave(waiting.id)
    second.documents.is_open.set()
    await asyncio.sleep(0.1)

    assert (await first.limiter.usage("k"))[:3] == (0, 0, 0)


async def test_turns_are_refused_while_the_store_is_away_for_long(shared, store):
    (process,) = shared(max_in_flight=1)
    running, waiting = (process.enter(ticket(key="k", tokens_per_5h=1000)) for _ in range(2))
    await asyncio.sleep(1)
    store.failing = True
    process.settle(running, 70)
    entering = process.enter(ticket())
    await asyncio.sleep(RETRY_TIMEOUT - 1)
    assert process.state(entering) is None
    await asyncio.sleep(3)
    assert process.state(entering).code == "1221"

    store.failing = False
    await asyncio.sleep(2)
    assert process.runs(waiting)
    assert (await process.limiter.usage("k"))[:3] == (1, 2, 170)


async def test_every_turn_goes_on_after_an_outage_that_is_longer_than_a_lease(shared, store):
    processes = shared(4, max_in_flight=4, max_queued=0)
    tickets = [ticket(key=f"key-{place // 2}", tokens_per_5h=1000) for place in range(8)]
    turns = [(processes[place // 2], turn) for place, turn in enumerate(tickets)]
    for process, turn in turns:
        process.enter(turn)
    await asyncio.sleep(1)
    running = [process.runs(turn) for process, turn in turns]
    store.failing = True
    await asyncio.sleep(3 * LEASE)
    store.failing = False
    await asyncio.sleep(LEASE)

    assert [process.runs(turn) for process, turn in turns] == running
    assert sum(running) == 4
    assert (await processes[0].limiter.usage("key-0"))[:3] == (2, 2, 200)


async def test_a_damaged_document_refuses_turns(shared, store):
    store.values["pool"] = b"\x93"
    (process,) = shared(max_in_flight=1)
    turn = process.enter(ticket())
    await asyncio.sleep(RETRY_TIMEOUT + 2)

    assert process.state(turn).code == "1221"
    assert "pool" not in process.state(turn).message


async def test_closing_releases_slots(shared, store):
    first, second = shared(2, max_in_flight=1)
    first.enter(ticket())
    await asyncio.sleep(0.1)
    waiting = second.enter(ticket())
    await asyncio.sleep(0.1)
    await first.limiter.close()
    await asyncio.sleep(0.1)

    assert second.runs(waiting)
