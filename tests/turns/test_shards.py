"""Several stores share the turns: where a turn is, and what follows when one of them is unavailable."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from continuing_engine import ContinuingEngine
from headrace.errors import RequestError
from headrace.turns import TurnRegistry, new_turn_id, open_shards
from headrace.turns.memory import MemoryStore
from headrace.turns.shard import Shard
from headrace.turns.shards import Shards
from headrace.turns.store import StoreError
from plans import planner
from processes import BODY, SCRIPT, read, start
from turn_stores import needs_redis, settings
from waiting import until_async

NAMES = st.lists(st.text(min_size=1), min_size=1, max_size=8, unique=True)
IDS = st.builds(new_turn_id, st.integers(0, 2**32), st.text(), st.text())


class FailingStore(MemoryStore):
    """A memory store that can be unavailable."""

    outlives_process = True
    is_down = False
    beats = 0

    async def heartbeat(self, ended=()):
        self._check()
        self.beats += 1
        await super().heartbeat(ended)

    async def create(self, header, body, *, replaces=""):
        self._check()
        return await super().create(header, body, replaces=replaces)

    async def load(self, id):
        self._check()
        return await super().load(id)

    async def find(self, owner, request_id):
        self._check()
        return await super().find(owner, request_id)

    async def running(self, owner):
        self._check()
        return await super().running(owner)

    def append(self, append):
        if self.is_down:
            append.done(StoreError("down"))
        else:
            super().append(append)

    def _check(self):
        if self.is_down:
            raise StoreError("down", public="down")


def stores(names="abc"):
    return {name: FailingStore(settings()) for name in names}


def beside(of_other):
    return {name: FailingStore(settings(), beside=store) for name, store in of_other.items()}


@pytest.fixture
async def open_registry():
    """Opens the registry of a process over some stores; its engine emits the script."""
    opened = []

    def open_one(stores, closed="", engine=None, retry_timeout=0.0):
        shards = Shards([Shard(store, name, takes_new=name not in closed) for name, store in stores.items()])
        chosen = settings(lease=0.3, store_retry_timeout=retry_timeout)
        opened.append(TurnRegistry(shards, planner(engine or ContinuingEngine(SCRIPT)), chosen))
        return opened[-1]

    yield open_one
    for registry in opened:
        await registry.close()


def named(request_id):
    return msgspec.json.encode({**msgspec.json.decode(BODY), "request_id": request_id})


def name_of(stores, turn):
    return next(name for name, store in stores.items() if store is turn.store)


def home(names, id):
    shards = Shards([Shard(MemoryStore(settings()), name) for name in names])
    return shards.for_new(id)[0].name


@given(NAMES, st.text(min_size=1), IDS)
def test_another_shard_takes_turns_but_moves_none_between_the_others(names, added, id):
    assert home([*names, added], id) in (home(names, id), added)
    assert home(names[::-1], id) == home(names, id)


@given(NAMES, st.text(), st.text(min_size=1))
def test_all_turns_with_the_same_request_id_belong_to_the_same_shard(names, owner, request_id):
    assert home(names, new_turn_id(0, owner, request_id)) == home(names, new_turn_id(9, owner, request_id))


def test_each_shard_gets_its_share():
    counts = dict.fromkeys("abcd", 0)
    for number in range(400):
        counts[home("abcd", new_turn_id(0, "", f"request-{number}"))] += 1

    assert all(60 <= count <= 140 for count in counts.values())


async def test_turns_are_found_by_id_and_by_request_id_in_every_process(open_registry):
    some = stores()
    here, there = open_registry(some), open_registry(beside(some))
    turns = [await start(here, named(f"r{number}")) for number in range(12)]
    for number, turn in enumerate(turns):
        assert (await read(turn))[0] == SCRIPT
        assert (await read(await there.find(turn.id, "me")))[0] == SCRIPT
        assert (await there.find(f"r{number}", "me")).id == turn.id
        assert (await start(there, named(f"r{number}"))).id == turn.id

    assert {name_of(some, turn) for turn in turns} == set("abc")


async def test_a_turn_stays_where_it_is_when_a_shard_is_added(open_registry):
    some = stores("ab")
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(3)
    before = open_registry(some, engine=engine)
    running = [await start(before, named(f"r{number}")) for number in range(12)]
    more = {**beside(some), **stores("c")}
    after = open_registry(more)
    found = [await after.find(turn.id, "me") for turn in running]
    repeated = [await start(after, named(f"r{number}")) for number in range(12)]
    new = [await start(after) for _ in range(12)]
    engine.go_on()

    assert [turn.id for turn in repeated] == [turn.id for turn in running]
    assert {name_of(more, turn) for turn in found} == set("ab")
    assert "c" in {name_of(more, turn) for turn in new}
    assert [(await read(turn))[0] for turn in found] == [SCRIPT] * 12


async def test_a_shard_that_is_down_fails_its_own_turns_only_and_takes_no_new_ones(open_registry):
    some = stores()
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(2)
    registry = open_registry(some, engine=engine)
    turns = [await start(registry, named(f"r{number}")) for number in range(12)]
    await until_async(lambda: all(turn.log.published == 2 for turn in turns))
    some["b"].is_down = True
    engine.go_on()
    new = [await start(registry, named(f"n{number}")) for number in range(12)]  # before a heartbeat
    for turn in [*turns, *new]:
        text, ending = await read(turn)
        fails = turn in turns and name_of(some, turn) == "b"

        assert ending.reason == ("network_error" if fails else "stop")
        assert SCRIPT.startswith(text) if fails else text == SCRIPT
    assert "b" not in {name_of(some, turn) for turn in new}
    await until_async(lambda: any(registry.store_errors))
    assert [bool(error) for error in registry.store_errors] == [False, True, False]
    assert registry.store_error == ""
    some["b"].is_down = False


async def test_a_repeated_request_waits_for_its_shard_as_long_as_the_turn_does(open_registry):
    here = open_registry(first := stores("ab"))
    there = open_registry(some := beside(first), retry_timeout=20.0)
    turns = [await start(here, named(f"r{number}")) for number in range(8)]
    for turn in turns:
        await read(turn)
    some["a"].is_down = True
    repeated = [asyncio.create_task(start(there, named(f"r{number}"))) for number in range(8)]
    new = [await start(there) for _ in range(8)]  # without a name: no shard needs to be waited for
    await until_async(
        lambda: [task.done() for task in repeated] == [name_of(first, turn) == "b" for turn in turns]
    )
    some["a"].is_down = False

    assert [(await task).id for task in repeated] == [turn.id for turn in turns]
    assert {name_of(some, turn) for turn in new} == {"b"}


async def test_what_may_be_in_a_shard_that_is_down_is_unavailable_not_unknown(open_registry):
    here = open_registry(first := stores())
    there = open_registry(some := beside(first))
    turns = [await start(here, named(f"r{number}")) for number in range(12)]
    for turn in turns:
        await read(turn)
    some["b"].is_down = True
    for number, turn in enumerate(turns):
        for id in (turn.id, f"r{number}"):
            if name_of(first, turn) != "b":
                assert (await there.find(id, "me")).id == turn.id
                continue
            with pytest.raises(StoreError) as raised:
                await there.find(id, "me")
            assert raised.value.status == 503
    with pytest.raises(StoreError):
        await there.running("me")
    some["b"].is_down = False
    await until_async(lambda: not any(there.store_errors))
    with pytest.raises(RequestError, match='there is no turn "unknown"'):
        await there.find("unknown", "me")


async def test_a_turn_that_may_be_in_a_shard_that_is_down_does_not_take_another_one_down(open_registry):
    """Its creation failed in one shard, which has returned; whether it is in the other one is not known."""
    some = stores("ab")
    registry = open_registry(some)
    await start(registry)
    await until_async(lambda: not any(registry.store_errors))
    for store in some.values():
        store.is_down = True
    with pytest.raises(StoreError):
        await start(registry, named("r"))
    some["a"].is_down = False
    beats = some["a"].beats
    await until_async(lambda: some["a"].beats == beats + 2)  # the first one has looked for the turn

    assert registry.store_errors == ["", "down"]


async def test_a_shard_that_returns_takes_turns_again(open_registry):
    some = stores("ab")
    registry = open_registry(some)
    some["a"].is_down = True
    assert {name_of(some, await start(registry)) for _ in range(8)} == {"b"}
    await until_async(lambda: registry.store_errors[0])
    some["a"].is_down = False
    await until_async(lambda: not registry.store_errors[0])

    assert {name_of(some, await start(registry)) for _ in range(40)} == {"a", "b"}


async def test_without_any_shard_a_turn_fails_as_without_a_store(open_registry):
    some = stores("ab")
    registry = open_registry(some)
    for store in some.values():
        store.is_down = True
    with pytest.raises(StoreError) as raised:
        await start(registry)

    assert (raised.value.status, raised.value.public) == (503, "down")
    await until_async(lambda: registry.store_error)


async def test_a_closed_shard_serves_its_turns_and_gets_no_new_ones(open_registry):
    some = stores("ab")
    here = open_registry(some)
    turns = [await start(here, named(f"r{number}")) for number in range(12)]
    there = open_registry(some_beside := beside(some), closed="b")
    new = [await start(there, named(f"n{number}")) for number in range(12)]

    assert {name_of(some_beside, turn) for turn in new} == {"a"}
    for number, turn in enumerate(turns):
        assert (await start(there, named(f"r{number}"))).id == turn.id
        assert (await read(await there.find(turn.id, "me")))[1] == (await read(turn))[1]


async def test_all_processes_list_the_running_turns_of_all_shards(open_registry):
    some = stores()
    engine = ContinuingEngine(SCRIPT)
    engine.pause_after(1)
    here, there = open_registry(some, engine=engine), open_registry(beside(some))
    turns = [await start(here) for _ in range(12)]
    listed = await there.running("me")

    assert {each.id for each in listed} == {turn.id for turn in turns}
    assert list(listed) == sorted(listed, key=lambda each: (each.created, each.id))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"store": "memory", "closed_store": "redis://a/0"},
            'store: "memory" cannot have a part of the turns',
        ),
        ({"store": "redis://a/0,sqlite:x"}, 'store: "sqlite:x" cannot have a part of the turns'),
        ({"store": "redis://a,redis://user:pw@A:6379/0?db=0"}, 'store: "redis://a:6379/0" occurs twice'),
        (
            {"store": "redis://a/0", "closed_store": "redis://a/0"},
            'closed_store: "redis://a:6379/0" occurs twice',
        ),
        (
            {"store": "redis://a/0", "closed_store": "postgres://b"},
            'closed_store: "postgres://b" is not one of',
        ),
        ({"closed_store": "redis://a/0", "store": ""}, 'store: "" is not one of'),
    ],
)
@needs_redis
def test_a_list_that_cannot_be_used_is_an_error(fields, message):
    with pytest.raises(RequestError) as raised:
        open_shards(settings(**fields))

    assert raised.value.message.startswith(message)


@needs_redis
async def test_the_names_of_shards_have_no_secrets_and_passwords_may_change():
    shards = open_shards(
        settings(store="redis://u:one@a/0, rediss://b:7/1", closed_store="unix:///run/redis")
    )

    assert [shard.name for shard in shards] == ["redis://a:6379/0", "rediss://b:7/1", "unix:///run/redis"]
    assert [shard.takes_new for shard in shards] == [True, True, False]
    await shards.close()
