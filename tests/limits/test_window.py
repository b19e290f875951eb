import math

from hypothesis import given
from hypothesis import strategies as st

from headrace.limits.window import Window

MINUTE = 60.0
steps = st.lists(st.tuples(st.floats(0, 90), st.integers(1, 100)), max_size=80)


def added(steps):
    """A window, and what was added to it at which time."""
    window, additions, now = Window(MINUTE), [], 0.0
    for pause, amount in steps:
        now += pause
        window.add(amount, now)
        additions.append((now, amount))
    return window, additions, now


ROUNDING = 1e-6  # seconds


def within(additions, seconds, now):
    return sum(amount for time, amount in additions if time > now - seconds)


@given(steps, st.floats(0, 90))
def test_an_amount_counts_for_a_window_and_at_most_a_sixtieth_longer(steps, pause):
    window, additions, now = added(steps)
    now += pause

    least = within(additions, MINUTE - ROUNDING, now)
    assert least <= window.used(now) <= within(additions, MINUTE * 61 / 60 + ROUNDING, now)


@given(steps, st.integers(1, 300), st.integers(1, 300))
def test_an_amount_fits_at_the_time_told_and_not_before(steps, amount, limit):
    window, _, now = added(steps)
    free_at = window.free_at(amount, limit, now)

    if amount > limit:
        assert free_at == math.inf
        return
    assert now <= free_at <= now + MINUTE
    if free_at > now:
        assert window.used(math.nextafter(free_at, 0)) + amount > limit
    assert window.used(free_at) + amount <= limit


@given(steps)
def test_an_amount_told_alone_fits_when_it_leaves(steps):
    """The time told is the true one, not that of the end of a bucket, if one addition fills the window."""
    window, _, now = added(steps)
    window.used(now := now + 2 * MINUTE)
    window.add(100, now)

    assert window.free_at(1, 100, now + 7) == now + MINUTE


@given(steps, st.data())
def test_an_adjusted_amount_counts_as_if_added_so(steps, data):
    if not steps:
        return
    window, additions, now = added(steps)
    index = data.draw(st.integers(0, len(steps) - 1))
    change = data.draw(st.integers(-steps[index][1], 100))
    window.adjust(change, additions[index][0])
    steps[index] = (steps[index][0], steps[index][1] + change)
    expected, _, _ = added(steps)

    # What no longer counted at the time of the adjustment stays away.
    assert window.used(now) == expected.used(now)
    assert [bucket for bucket in window.buckets if bucket[1]] == [
        bucket for bucket in expected.buckets if bucket[1]
    ]


@given(steps, st.floats(0, 90))
def test_a_copy_counts_the_same(steps, pause):
    window, _, now = added(steps)

    assert Window(MINUTE, window.buckets).used(now + pause) == window.used(now + pause)


@given(steps, st.floats(0, 1))
def test_nothing_counts_when_the_window_is_empty(steps, pause):
    window, _, now = added(steps)
    empty_at = window.empty_at(now + pause)

    assert window.used(empty_at) == 0
    assert window.empty_at(empty_at) == empty_at
