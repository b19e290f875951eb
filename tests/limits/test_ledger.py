import math

import msgspec
import pytest

from headrace.limits import Granted, Ledger, LimitSettings, Lost, Refused, Waiting
from tickets import FIVE_HOURS, MINUTE, ticket

LEASE = 10.0


def ledger(lease=LEASE, **limits):
    return Ledger(LimitSettings(**limits), lease)


def enter(ledger, turn, now=0.0, process="p"):
    return ledger.enter(turn, process, now)


def state(ledger, turn, now=0.0, process="p"):
    return ledger.states(process, {turn.id}, now)[turn.id]


def test_a_turn_over_the_limit_waits_and_starts_when_another_has_ended():
    limits = ledger(max_in_flight=1)
    first, second, third = ticket(), ticket(), ticket()
    assert enter(limits, first) == Granted()
    assert enter(limits, second).position == 1
    assert enter(limits, third).position == 2

    limits.settle(first.id, "", 100, 1.0)

    assert state(limits, second) == Granted()
    assert state(limits, third).position == 1


@pytest.mark.parametrize(
    "limits",
    [{"max_in_flight": 1}, {"max_in_flight_per_model": 1}],
    ids=lambda limits: next(iter(limits)),
)
def test_a_full_queue_refuses(limits):
    limits = ledger(max_queued=1, **limits)
    enter(limits, ticket())
    enter(limits, ticket())
    third = ticket()

    refusal = enter(limits, third)

    assert isinstance(refusal, Refused)
    assert refusal.code == "1305"
    assert refusal.message.endswith("(1) is reached; retry in 2 s")
    assert state(limits, third) is None


@pytest.mark.parametrize(
    ("key_limits", "code", "free_at"),
    [
        ({"in_flight": 1}, "1302", None),
        ({"requests_per_minute": 1}, "1303", MINUTE),
        ({"tokens_per_5h": 150}, "1303", FIVE_HOURS),
    ],
    ids=["in_flight", "requests_per_minute", "tokens_per_5h"],
)
def test_a_limit_of_a_key_lets_its_turns_wait_alone(key_limits, code, free_at):
    limits = ledger(lease=math.inf)
    first, second = ticket(key="a", **key_limits), ticket(key="a", **key_limits)
    enter(limits, first)
    waiting = enter(limits, second, 20.0)

    assert waiting.refusal.code == code
    assert str(next(iter(key_limits.values()))) in waiting.refusal.message
    if free_at:
        assert waiting.refusal.retry_after == free_at - 20
    assert enter(limits, ticket(key="b", **key_limits)) == Granted()
    limits.settle(first.id, "a", 100, 30.0)
    assert (state(limits, second, 30.0) == Granted()) == (code == "1302")


def test_nothing_is_charged_before_the_grant():
    """A request that was refused for the turns in flight has not used up a request of the minute."""
    limits, values = ledger(max_queued=1), {"key": "k", "in_flight": 1, "requests_per_minute": 2}
    running, waiting, refused, third = (ticket(**values) for _ in range(4))
    enter(limits, running)
    enter(limits, waiting)
    assert isinstance(enter(limits, refused), Refused)
    assert limits.usage("k", 0.0)[:3] == (1, 1, 100)

    limits.leave(waiting, "p", 1.0, has_started=False)
    limits.settle(running.id, "k", 70, 2.0)

    assert limits.usage("k", 2.0)[:3] == (0, 1, 70)
    assert enter(limits, third, 3.0) == Granted()
    limits.settle(third.id, "k", 70, 4.0)
    assert enter(limits, ticket(**values), 5.0).refusal.code == "1303"


def test_the_answer_that_crosses_a_limit_ends_and_the_next_turn_waits_until_told():
    limits, values = ledger(max_queued=1), {"key": "k", "tokens_per_5h": 1000}
    first = ticket(**values)
    enter(limits, first, 10.0)
    limits.settle(first.id, "k", 1500, 100.0)

    waiting = enter(limits, ticket(**values), 200.0)
    refused = enter(limits, ticket(**values), 200.0)

    assert limits.usage("k", 200.0).tokens == 1500
    assert limits.usage("k", 200.0).tokens_reset == 10 + FIVE_HOURS - 200
    assert waiting.refusal.retry_after == refused.retry_after == 10 + FIVE_HOURS - 200


def test_a_turn_waits_no_longer_than_told():
    limits, values = ledger(lease=math.inf, max_queued=1), {"key": "k", "tokens_per_5h": 250}
    for now in (0.0, 1000.0):
        turn = ticket(**values)
        enter(limits, turn, now)
        limits.settle(turn.id, "k", 100, now)
    waiting = ticket(**values)
    told = enter(limits, waiting, 2000.0).refusal.retry_after
    assert enter(limits, ticket(**values), 2000.0).retry_after == told + 1000  # after the one that waits

    limits.pass_time(1999.0 + told)
    assert isinstance(state(limits, waiting, 1999.0 + told), Waiting)
    limits.pass_time(2000.0 + told)
    assert state(limits, waiting, 2000.0 + told) == Granted()
    assert 2000.0 + told == FIVE_HOURS


def test_what_can_never_start_is_refused_at_once():
    limits = ledger()
    too_long = enter(limits, ticket(prompt=2000, tokens_per_5h=1000))
    too_much = enter(limits, ticket(prompt=500, answer=600, tokens_per_5h=1000))

    assert (too_long.code, too_much.code) == ("1261", "1214")
    assert too_long.retry_after == too_much.retry_after == 0
    assert too_long.message.startswith("the prompt (2000 tokens) exceeds the limit of tokens per 5 hours")
    assert too_much.message.endswith("of all clients together (1000); lower max_tokens")
    assert limits.changes(0.0) == {}


def test_a_turn_is_settled_once():
    limits = ledger()
    turn = ticket(key="k", tokens_per_5h=1000)
    enter(limits, turn)
    for tokens in (70, 200):
        limits.settle(turn.id, "k", tokens, 1.0)

    assert limits.usage("k", 1.0)[:3] == (0, 1, 70)


def test_a_turn_is_settled_after_its_lease():
    limits = ledger()
    turn = ticket(key="k", tokens_per_5h=1000)
    enter(limits, turn)
    limits.pass_time(2 * LEASE)
    assert limits.usage("k", 2 * LEASE)[:3] == (0, 1, 100)

    limits.settle(turn.id, "k", 70, 3 * LEASE)

    assert limits.usage("k", 3 * LEASE)[:3] == (0, 1, 70)


def test_a_lease_is_renewed_however_long_a_turn_is_silent():
    limits = ledger(max_in_flight=1)
    silent, waiting = ticket(), ticket()
    enter(limits, silent)
    enter(limits, waiting)
    for second in range(3, 900, 3):
        assert limits.renew("p", [silent], [waiting.id], float(second)) == []

    assert state(limits, silent, 899.0) == Granted()
    assert state(limits, waiting, 899.0).position == 1


def test_a_process_that_stood_still_loses_its_slot_to_a_waiting_turn():
    limits = ledger(max_in_flight=1)
    stopped, waiting = ticket(), ticket()
    enter(limits, stopped, process="a")
    enter(limits, waiting, 8.0, process="b")
    limits.pass_time(LEASE)
    assert state(limits, waiting, LEASE, "b") == Granted()

    assert limits.renew("a", [stopped], [], LEASE + 1) == [stopped.id]
    limits.leave(stopped, "a", LEASE + 1, has_started=True)
    assert state(limits, waiting, LEASE + 1, "b") == Granted()


def test_a_slot_that_nobody_needs_is_given_back():
    """After an outage of the store that is longer than a lease, every turn continues."""
    limits = ledger(max_in_flight=1)
    turn = ticket(key="k", requests_per_minute=1)
    enter(limits, turn)
    limits.pass_time(2 * LEASE)
    assert state(limits, turn, 2 * LEASE) is None

    assert limits.renew("p", [turn], [], 3 * LEASE) == []
    assert limits.usage("k", 3 * LEASE)[:3] == (1, 1, 100)


def test_a_turn_that_has_ended_elsewhere_gets_no_slot_back():
    limits = ledger()
    turn = ticket(key="k", tokens_per_5h=1000)
    enter(limits, turn)
    limits.settle(turn.id, "k", 70, 1.0)

    assert limits.renew("p", [turn], [], 2.0) == [turn.id]
    assert limits.usage("k", 2.0)[:3] == (0, 1, 70)


def test_a_takeover_moves_the_slot_and_charges_nothing():
    limits = ledger(max_in_flight=1)
    turn = ticket(key="k", requests_per_minute=1, tokens_per_5h=100)
    again = msgspec.structs.replace(turn, prompt=60, is_continued=True)
    enter(limits, turn, process="a")

    assert enter(limits, again, 1.0, "b") == Granted()
    assert limits.renew("a", [turn], [], 2.0) == [turn.id]
    assert state(limits, turn, 2.0, "a") == Lost()
    limits.leave(turn, "a", 2.0, has_started=True)
    assert limits.usage("k", 2.0)[:3] == (1, 1, 100)
    limits.settle(turn.id, "k", 80, 3.0)
    assert limits.usage("k", 3.0)[:3] == (0, 1, 80)


def test_a_takeover_after_the_lease_goes_first_and_charges_nothing():
    limits = ledger(max_in_flight=1, max_queued=1)
    turn = ticket(key="k", requests_per_minute=1, tokens_per_5h=100)
    enter(limits, turn, process="a")
    for _ in range(2):
        enter(limits, ticket(), 2 * LEASE, "b")
    again = msgspec.structs.replace(turn, is_continued=True)

    assert isinstance(enter(limits, again, 2 * LEASE, "b"), Waiting)
    assert state(limits, again, 2 * LEASE, "b").position == 1
    assert limits.usage("k", 2 * LEASE)[:3] == (0, 1, 100)


def test_a_takeover_is_refused_for_no_limit():
    """Its turn is charged, and runs since its limits were higher."""
    limits = ledger(max_in_flight=1, max_queued=2)
    turn = ticket(key="k", requests_per_minute=1, tokens_per_5h=100)
    enter(limits, turn, process="a")
    for key in ("other", "k", "k", "third"):
        enter(limits, ticket(key=key), 2 * LEASE, "b")
    again = ticket(turn.id, key="k", requests_per_minute=1, tokens_per_5h=50, is_continued=True)

    assert isinstance(enter(limits, ticket(key="k"), 2 * LEASE, "b"), Refused)
    assert isinstance(enter(limits, again, 2 * LEASE, "b"), Waiting)


@pytest.mark.parametrize("pause", [1.0, 2 * LEASE], ids=["within the lease", "after the lease"])
def test_a_takeover_that_does_not_start_leaves_the_turn_charged(pause):
    limits = ledger()
    turn = ticket(key="k", requests_per_minute=1, tokens_per_5h=100)
    enter(limits, turn, process="a")
    again = msgspec.structs.replace(turn, is_continued=True)
    enter(limits, again, pause, "b")
    limits.leave(again, "b", pause, has_started=False)

    assert limits.usage("k", pause)[:3] == (0, 1, 100)


def test_a_small_turn_does_not_pass_a_large_one_that_waits_for_tokens():
    limits, values = ledger(lease=math.inf), {"key": "k", "tokens_per_5h": 1000}
    first, large, small = ticket(**values), ticket(prompt=900, **values), ticket(**values)
    enter(limits, first)
    enter(limits, large)

    assert enter(limits, small).refusal.code == "1303"
    limits.settle(first.id, "k", 10, 1.0)
    assert state(limits, large, 1.0) == Granted()
    assert isinstance(state(limits, small, 1.0), Waiting)


def test_keys_share_by_what_they_have_used():
    """A key that asks for long answers and gets short ones starts as many turns as others."""
    limits = ledger(max_in_flight=4, max_queued=0)
    turns = [ticket(key=key, answer=answer) for _ in range(40) for key, answer in [("a", 90), ("b", 128_000)]]
    for turn in turns:
        enter(limits, turn)
    for _ in range(30):
        turn = next(turn for turn in turns if state(limits, turn) == Granted())
        turns.remove(turn)
        limits.settle(turn.id, turn.key, 2_000, 0.0)
    left = [turn.key for turn in turns]

    assert left.count("b") == pytest.approx(left.count("a"), abs=6)


def test_a_slot_that_was_granted_while_its_turn_left_is_not_charged():
    limits = ledger(max_in_flight=1)
    running, leaving = ticket(), ticket(key="k", requests_per_minute=1, tokens_per_5h=100)
    enter(limits, running)
    enter(limits, leaving)
    limits.settle(running.id, "", 100, 1.0)
    assert limits.usage("k", 1.0)[:3] == (1, 1, 100)

    limits.leave(leaving, "p", 2.0, has_started=False)

    assert limits.usage("k", 2.0)[:3] == (0, 0, 0)
    assert limits.changes(2.0) == {}


def test_leaving_does_not_release_another_processs_slot():
    limits = ledger(max_in_flight=1)
    turn = ticket()
    enter(limits, turn, process="a")
    limits.leave(turn, "b", 1.0, has_started=True)

    assert state(limits, turn, 1.0, "a") == Granted()


def test_a_key_may_wait_even_if_another_has_filled_the_queue():
    limits = ledger(max_in_flight=1, max_queued=10)
    for _ in range(20):
        enter(limits, ticket(key="crowd"))

    states = [enter(limits, ticket(key="single")) for _ in range(10)]

    assert [type(state) for state in states] == [Waiting] * 5 + [Refused] * 5


def test_only_what_has_changed_is_written():
    limits = ledger(max_in_flight=2)
    turns = [ticket(key=key, requests_per_minute=5) for key in "ab"]
    for turn in turns:
        enter(limits, turn)
    documents = limits.changes(0.0)
    assert set(documents) == {"pool", "key:a", "key:b"}

    limits = Ledger(LimitSettings(max_in_flight=2), LEASE, documents)
    assert limits.changes(0.0) == {}
    limits.settle(turns[0].id, "a", 50, 1.0)
    assert set(limits.changes(1.0)) == {"pool", "key:a"}
    limits.settle(turns[1].id, "b", 50, 1.0)
    assert limits.changes(FIVE_HOURS + 2) == {"pool": None, "key:a": None, "key:b": None}


def test_a_turn_takes_about_100_bytes():
    limits = ledger(max_in_flight=100)
    for number in range(1000):
        key = f"key-{number % 10}"
        enter(limits, ticket(f"turn_{number:032x}", key=key, user="user", in_flight=50, tokens_per_5h=10**9))
    pool = limits.changes(0.0)["pool"]

    assert len(pool) < 1000 * 120


def test_a_damaged_document_is_an_error():
    with pytest.raises(msgspec.DecodeError):
        Ledger(LimitSettings(), LEASE, {"pool": b"\x93"})
    with pytest.raises(msgspec.DecodeError):
        Ledger(LimitSettings(), LEASE, {"key:k": b"{}"})
