import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.limits.fair_queue import Entry, FairQueue, QueueDocument
from tickets import ticket

LEAST_COST = 1000


def entry(**values):
    return Entry.of(ticket(**values), "process", 0.0)


def start(queue, has_room=lambda _: True, fits=lambda _: True):
    """Start the next turn."""
    if (first := queue.first(has_room, fits)) is not None:
        queue.start(first)
    return first


def add(queue, number, **values):
    """Add several equal turns."""
    for _ in range(number):
        queue.add(entry(**values))


def started(queue, number, by="key"):
    """Start so many turns; return how many each key or user has got."""
    return Counter(getattr(start(queue), by) for _ in range(number))


def test_turns_of_a_user_start_in_the_order_of_their_arrival():
    queue, entries = FairQueue(), [entry(model=f"model-{number % 3}") for number in range(10)]
    for each in entries:
        queue.add(each)

    assert [start(queue) for _ in entries] == entries
    assert start(queue) is None
    assert len(queue) == 0


def test_keys_share_by_tokens_not_by_turns():
    queue = FairQueue()
    add(queue, 100, key="large", prompt=9_000)
    add(queue, 100, key="small", prompt=2_900)

    counts = started(queue, 40)

    assert counts["small"] == pytest.approx(3 * counts["large"], abs=2)


def test_invented_users_gain_nothing():
    queue = FairQueue()
    for number in range(1000):
        add(queue, 1, key="crowd", user=f"user-{number}")
    add(queue, 10, key="single")

    assert started(queue, 20) == {"crowd": 10, "single": 10}


def test_users_share_what_their_key_gets():
    queue = FairQueue()
    add(queue, 50, key="key", user="a")
    add(queue, 50, key="key", user="b")
    add(queue, 50, key="other")

    counts = Counter((each.key, each.user) for each in (start(queue) for _ in range(40)))

    assert sorted(counts.values()) == [10, 10, 20]


def test_users_are_at_most_16():
    queue = FairQueue()
    for number in range(1000):
        add(queue, 1, key="key", user=f"user-{number}")
    add(queue, 1, key="key", user="late")

    waits = 1
    late = max(queue, key=lambda each: each.number)
    while start(queue) is not late:
        waits += 1

    # Its group has some 1000 / 16 turns, and each of the others starts as many meanwhile.
    group = [
        each for each in (entry(key="key", user=f"user-{n}") for n in range(1000)) if each.user == late.user
    ]
    assert waits <= 16 * (len(group) + 1)


def test_a_large_prompt_is_passed_over_once_by_each_other_key():
    queue = FairQueue()
    add(queue, 50, key="cheap")
    started(queue, 20)
    add(queue, 1, key="large", prompt=200_000)

    assert started(queue, 2)["large"] == 1


def test_a_key_pays_for_a_large_prompt_afterwards():
    queue = FairQueue()
    add(queue, 300, key="cheap")
    add(queue, 2, key="large", prompt=200_000, answer=0)

    keys = [start(queue).key for _ in range(300)]
    first, second = (place for place, key in enumerate(keys) if key == "large")

    assert first <= 1
    assert second - first == pytest.approx(200_000 / LEAST_COST, abs=2)


def test_a_key_that_comes_late_has_saved_nothing():
    queue = FairQueue()
    add(queue, 200, key="early")
    started(queue, 100)
    add(queue, 100, key="late")

    assert started(queue, 20) == {"early": 10, "late": 10}


def test_a_user_that_comes_late_has_saved_nothing():
    queue = FairQueue()
    add(queue, 200, key="key", user="early")
    started(queue, 100)
    add(queue, 100, key="key", user="late")

    assert set(started(queue, 20, by="user").values()) == {10}


def test_a_key_that_was_at_its_limit_has_saved_nothing():
    queue = FairQueue()
    add(queue, 100, key="limited", prompt=19_910)
    add(queue, 200, key="free")
    for _ in range(100):
        start(queue, fits=lambda each: each.key == "free")

    assert started(queue, 15)["limited"] == 1


def test_a_correction_lets_nobody_pass():
    """Turns that have used less than reserved make their key go earlier, but not before those that wait."""
    queue = FairQueue()
    add(queue, 2, key="large", prompt=50_000)
    add(queue, 200, key="cheap")
    large = [each for each in (start(queue) for _ in range(100)) if each.key == "large"]
    add(queue, 5, key="large")
    mine = entry(key="mine")
    queue.add(mine)
    for each in large:
        queue.correct(each, 1)

    assert len(large) == 2
    assert start(queue) is mine


def test_leaving_the_queue_does_not_clear_a_debt():
    queue = FairQueue()
    add(queue, 100, key="cheap")
    add(queue, 1, key="large", prompt=50_000)
    started(queue, 2)
    add(queue, 1, key="large", prompt=50_000)

    assert "large" not in started(queue, 40)


def test_a_correction_counts_what_was_used():
    queue = FairQueue()
    add(queue, 100, key="modest", answer=128_000)
    add(queue, 100, key="plain", answer=4_000)

    counts = Counter()
    for _ in range(60):
        each = start(queue)
        counts[each.key] += 1
        queue.correct(each, 4_010)  # what it has used in the end

    assert counts["modest"] == pytest.approx(30, abs=2)


def test_continued_turns_go_first():
    queue = FairQueue()
    add(queue, 5, key="a")
    continued = entry(key="b", is_continued=True)
    queue.add(continued)

    assert start(queue) is continued


def test_a_turn_of_a_full_model_lets_others_pass():
    queue = FairQueue()
    add(queue, 1, model="full")
    add(queue, 1, model="free")

    assert start(queue, has_room=lambda model: model == "free").model == "free"
    assert start(queue, has_room=lambda model: model == "free") is None


def test_a_large_turn_is_not_passed_over_within_its_key():
    """A key whose window has no room for its next turn waits: small ones would take the tokens forever."""
    queue = FairQueue()
    add(queue, 1, key="key", user="a", prompt=1000)
    add(queue, 1, key="key", user="b", prompt=10)

    assert start(queue, fits=lambda each: each.tokens < 500) is None


def of_key(name, size):
    return entry(key=name, user=random.choice("uvw"), prompt=size)


def of_user(name, size):
    return entry(key="key", user=name, prompt=size)


sizes = st.sampled_from([1, 1_000, 5_000, 200_000])
actions = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abc"), sizes),
    st.tuples(st.just("start")),
    st.tuples(st.just("end"), st.integers(0, 1000), sizes),
    st.tuples(st.just("leave"), st.integers(0, 1000)),
)


class Run:
    """A queue under arbitrary actions, encoded and decoded after each.

    Args:
        create: creates a turn of one who shares, a key or a user, by the name and the size.
    """

    def __init__(self, actions, create):
        self.create = create
        self.queue = FairQueue()
        self.running = []  # their corrections come later
        for action in actions:
            self.act(*action)

    def act(self, name, *values):
        queue = self.queue
        if name == "add":
            queue.add(self.create(*values))
        elif name == "leave" and len(queue):
            queue.remove(sorted(each.id for each in queue)[values[0] % len(queue)])
        elif name == "start" and (each := start(queue)):
            self.running.append(each)
        elif name == "end" and self.running:
            place, size = values
            queue.correct(self.running.pop(place % len(self.running)), size)
        self.queue = decoded(queue)


def decoded(queue):
    document = msgspec.msgpack.encode(queue.document())
    copy = FairQueue(msgspec.msgpack.decode(document, type=QueueDocument))
    assert msgspec.msgpack.encode(copy.document()) == document
    return copy


@pytest.mark.parametrize(("level", "create"), [("key", of_key), ("user", of_user)], ids=["keys", "users"])
@given(st.lists(actions, max_size=40), sizes, st.integers(0, 2**32))
def test_the_bound_on_being_passed_over(level, create, actions, size, seed):
    """A key or user without debt waits for one turn of each other, whatever they do."""
    run, choose = Run(actions, create), random.Random(seed)
    queue, running = run.queue, run.running
    mine = create("h", size)
    queue.add(mine)
    passed = Counter()
    while (each := start(queue)).id != mine.id:
        passed[getattr(each, level)] += 1
        running.append(each)
        for ended in choose.sample(running, choose.randrange(len(running))):
            running.remove(ended)
            queue.correct(ended, choose.choice([1, 1_000, 200_000]))
        for name in choose.choices("abcdefg", k=choose.randrange(4)):
            queue.add(create(name, choose.choice([1, 200_000])))

    assert set(passed.values()) <= {1}
    assert not set(passed) & {getattr(create(name, 1), level) for name in "defg"}  # those that came later


@pytest.mark.parametrize(("level", "create"), [("key", of_key), ("user", of_user)], ids=["keys", "users"])
@given(st.lists(actions, max_size=20), sizes, st.integers(0, 2**32))
def test_the_bound_with_a_debt(level, create, actions, debt, seed):
    """Each other starts turns of at most as many tokens as the debt, and one more."""
    queue, choose = Run(actions, create).queue, random.Random(seed)
    for name in "abcdefghh":
        queue.add(create(name, debt))
    mine = [each for each in queue if getattr(each, level) == getattr(create("h", 1), level)]
    while start(queue) is not mine[0]:
        pass
    costs = {}
    while (each := start(queue)) is not mine[1]:
        costs.setdefault(getattr(each, level), []).append(max(each.tokens, LEAST_COST))
        for name in choose.choices("abcdefg", k=choose.randrange(3)):
            queue.add(create(name, choose.choice([1, 50_000])))

    assert all(sum(each[:-1]) <= max(debt + 90, LEAST_COST) for each in costs.values())


@given(st.lists(actions, max_size=60))
def test_everything_starts_once_in_the_order_told(actions):
    queue = Run(actions, of_key).queue
    expected = [each.id for each in queue.in_order()]
    order = [start(queue).id for _ in expected]

    assert len(expected) == len(set(expected))
    assert order == expected
    assert start(queue) is None
