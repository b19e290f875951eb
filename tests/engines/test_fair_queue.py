import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.engines.fair_queue import FairQueue
from headrace.errors import LimitError


def test_owners_are_served_in_turn():
    queue = FairQueue(100, 100)
    for number in range(3):
        queue.put("alice", f"a{number}")
    queue.put("bob", "b0")

    assert [queue.take() for _ in range(len(queue))] == ["a0", "b0", "a1", "a2"]


def test_an_owner_has_a_limit_and_all_have_one():
    queue = FairQueue(3, 2)
    queue.put("alice", 1)
    queue.put("alice", 2)
    with pytest.raises(LimitError, match="this key") as own:
        queue.put("alice", 3)
    queue.put("bob", 4)
    with pytest.raises(LimitError) as total:
        queue.put("bob", 5)

    assert (own.value.code, own.value.status) == ("1302", 429)
    assert (total.value.code, total.value.status) == ("1305", 429)
    assert list(queue) == [1, 2, 4]


def test_without_keys_only_the_total_is_limited():
    queue = FairQueue(3, 1)
    for number in range(3):
        queue.put("", number)

    assert len(queue) == 3


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "take", "discard"]))))
def test_nobody_waits_for_more_than_one_entry_of_each_other_owner(steps):
    queue = FairQueue(100, 100)
    waiting = []  # (owner, number, entries of others taken before it became its owner's first)
    for number, (owner, step) in enumerate(steps):
        if step == "put":
            queue.put(owner, (owner, number))
            waiting.append((owner, number))
        elif step == "take" and waiting:
            entry = queue.take()
            assert entry == next(other for other in waiting if other[0] == entry[0])  # its owner's oldest
            waiting.remove(entry)
        elif step == "discard":
            own = [entry for entry in waiting if entry[0] == owner]
            queue.discard(owner, own[-1] if own else None)
            waiting = [entry for entry in waiting if not own or entry != own[-1]]
        assert len(queue) == len(waiting)
        assert sorted(queue) == sorted(waiting)

    owners = {owner for owner, _ in waiting}
    assert {queue.take()[0] for _ in owners} == owners
