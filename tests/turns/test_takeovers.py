"""What follows from several takeovers of a turn: deadly requests end, and lost events are noticed."""

import asyncio

import msgspec
import pytest

from continuing_engine import ContinuingEngine
from headrace.events import Finish, Progress, Text, TokenUsage
from headrace.turns import TurnRegistry
from headrace.turns.follower import Follower
from headrace.turns.log import MemoryLog
from headrace.turns.store import LOST, Cursor, GoneError, Tail
from headrace.turns.takeover import DEADLY, MAX_SILENT_DEATHS, Takeover, ordinal_of, silent_deaths
from plans import planner
from processes import BODY, SCRIPT, die, open_registry, read, start
from turn_stores import append, header, memory, settings, shared
from waiting import until_async

__all__ = ["open_registry"]

NAMED = msgspec.json.encode({**msgspec.json.decode(BODY), "request_id": "deadly"})


def paused(tokens):
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(tokens)
    return engine


async def dies(open_registry, id, tokens=0, *, in_order=False):
    """A process takes the turn over, produces some tokens, and dies."""
    engine = paused(tokens)
    registry = open_registry(engine, lease=0.1)
    turn = await registry.find(id, "me")
    reader = turn.reader()
    await until_async(lambda: engine.running == 1)
    count = turn.log.count
    await until_async(lambda: turn.log.published >= count + tokens or turn.log.published >= tokens > 0)
    reader.close()
    if in_order:
        await registry.close()
    else:
        die(registry)


async def begun(open_registry):
    first = open_registry(paused(0), lease=0.1)
    turn = await start(first, NAMED)
    await until_async(lambda: first._turns and turn._run is not None)
    die(first)
    return turn.id


@shared
async def test_the_third_death_of_a_producer_without_any_output_ends_the_turn(open_registry):
    id = await begun(open_registry)
    for _ in range(MAX_SILENT_DEATHS - 1):
        await dies(open_registry, id)
    engine = ContinuingEngine(SCRIPT)
    last = open_registry(engine, lease=0.1)

    assert await read(await last.find(id, "me")) == ("", Finish("network_error", TokenUsage(), DEADLY))
    again = await start(last, NAMED)  # a client that tries it again
    assert again.id == id
    assert await read(again) == ("", Finish("network_error", TokenUsage(), DEADLY))
    assert engine.asked == []


@shared
async def test_deaths_with_output_in_between_do_not_end_a_turn(open_registry):
    id = await begun(open_registry)
    await dies(open_registry, id)
    await dies(open_registry, id, 2)
    await dies(open_registry, id)
    await dies(open_registry, id)
    last = open_registry(ContinuingEngine(SCRIPT), lease=0.1)

    assert await read(await last.find(id, "me")) == (SCRIPT, Finish("stop", TokenUsage(7, 27)))


@shared
async def test_processes_that_shut_down_before_any_output_do_not_end_a_turn(open_registry):
    id = await begun(open_registry)
    for _ in range(MAX_SILENT_DEATHS):
        await dies(open_registry, id, in_order=True)
    last = open_registry(ContinuingEngine(SCRIPT), lease=0.1)

    assert (await read(await last.find(id, "me")))[0] == SCRIPT


async def test_takeovers_are_recorded_with_their_position_and_with_the_death(open_stores):
    store, other = open_stores(), open_stores()
    await store.create(header(), b"")
    await append(store, "t1", (1, 0), [Text("a"), Text("b")])
    await other.take_over("t1", 2, has_died=True)
    await append(other, "t1", (2, 2), [Text("c")])
    await store.take_over("t1", 3)
    whole = [
        Takeover(1, 0, whole_process := store.process),
        Takeover(2, 2, other.process, has_died=True),
        Takeover(3, 3, whole_process),
    ]

    stored = (await other.load("t1")).tail.takeovers
    assert [each for each in stored if each.fence > 1] == whole[1:]
    assert (stored[0].fence, stored[0].position) == (1, 0)
    assert list((await other.follow("t1", Cursor(1, 1), 0)).takeovers) == whole[1:]
    assert list((await other.follow("t1", Cursor(2, 2), 0)).takeovers) == whole[2:]
    assert list((await other.follow("t1", Cursor(3, 3), 0)).takeovers) == []


@pytest.mark.parametrize(
    ("takeovers", "position", "deaths"),
    [
        ([(1, 0, False)], 0, 0),
        ([(1, 0, False), (2, 0, True)], 0, 1),
        ([(1, 0, False), (2, 0, True)], 5, 0),
        ([(1, 0, False), (2, 5, True), (3, 5, True), (4, 5, True)], 5, 2),
        ([(1, 0, False), (2, 0, True), (3, 0, False), (4, 0, True)], 0, 2),
    ],
)
def test_only_deaths_since_the_last_output_count(takeovers, position, deaths):
    listed = [Takeover(fence, at, "p", died) for fence, at, died in takeovers]

    assert silent_deaths(listed, position) == deaths


def test_epochs_increase_with_the_fence_and_differ_by_process():
    assert Takeover(1, 0, "p").epoch == 0
    assert Takeover(2, 9, "p").epoch != Takeover(2, 9, "q").epoch
    assert Takeover(2, 9, "p").epoch < Takeover(3, 0, "q").epoch
    assert ordinal_of(Takeover(7, 9, "p").epoch + 123) == ordinal_of(123) == 123
    assert len(str(Takeover(999, 9, "p").epoch)) <= 18


# --- a store that has lost its last events --------------------------------------------------------------


async def test_a_follower_notices_that_the_events_it_has_were_replaced():
    log = MemoryLog()
    follower = Follower(None, "t1", log, settings(), lambda: None)
    texts = [Text(letter) for letter in "abcde"]
    follower.apply(Tail(texts, Cursor(1, 5), [Takeover(1, 0, "p")]))
    follower.apply(Tail([Text("f")], Cursor(2, 6), [Takeover(2, 5, "q")]))
    with pytest.raises(GoneError, match=LOST):
        follower.apply(Tail([Text("F")], Cursor(3, 6), [Takeover(3, 4, "r")]))

    assert [event.text for event in log.events] == list("abcdef")
    assert log.epochs == ((5, Takeover(2, 5, "q").epoch),)


@pytest.mark.parametrize("known", [2, 3, 5])
def test_events_that_are_saved_again_with_later_ones_are_read_once(known):
    """The store lost its last writes; the producer has saved everything from the second event on in one entry."""
    log = MemoryLog()
    follower = Follower(None, "t1", log, settings(), lambda: None)
    follower.apply(
        Tail(
            [Progress(3, 3), *(Text(letter) for letter in "abcde"[:known])],
            Cursor(1, known),
            [Takeover(1, 0, "p")],
        )
    )
    follower.apply(Tail([Text(letter) for letter in "cdefg"], Cursor(1, 7)))

    assert [event.text for event in log.events] == list("abcdefg")
    assert follower.cursor == Cursor(1, 7)
    assert log.progress == Progress(3, 3)


@memory
async def test_the_readers_of_a_fenced_producer_are_told_that_its_last_events_are_lost(open_stores):
    """The store lost a second of writes, and another process took the turn over before the producer noticed."""
    store, other = open_stores(), open_stores()
    engine = paused(6)
    registry = TurnRegistry(store, planner(engine), settings())
    turn = await start(registry)
    reading = asyncio.create_task(read(turn))
    await until_async(lambda: turn.log.published == 6)
    record = store._shared.turns.shard(turn.id)[turn.id]
    del record.events[5:]  # its progress, and four events
    record.cursor = Cursor(1, 4)
    await other.take_over(turn.id, 2, has_died=True)
    await append(other, turn.id, (2, 4), [Text("other")])
    engine.go_on()
    text, ending = await reading

    assert text == SCRIPT[:12]
    assert ending.reason == "network_error"
    assert LOST in ending.error
    assert (await store.load(turn.id)).tail.cursor == Cursor(2, 5)
    await registry.close()
