"""The intervals between deltas are counted in runs, with the same result as one by one."""

from bisect import bisect_left
from itertools import accumulate

from hypothesis import example, given
from hypothesis import strategies as st

from headrace.turns.intervals import BOUNDS, Intervals

# Multiples of a power of two, of which sums and differences are exact.
TICK = 2.0**-12
EXACT = [bound for bound in BOUNDS if bound % TICK == 0]
INTERVALS = st.one_of(
    st.sampled_from([0.0, TICK, *EXACT]),
    *(st.integers(0, most).map(lambda ticks: ticks * TICK) for most in (9, 99, 10**8)),
)


def counted(intervals):
    counts = [0] * (len(BOUNDS) + 1)
    for interval in intervals:
        counts[bisect_left(BOUNDS, interval)] += 1
    return tuple(counts)


def noted(intervals, began=1000.0):
    result = Intervals()
    result.start(began)
    for now in [*accumulate(intervals, initial=began)][1:]:
        result.add(now)
    return result


@given(st.lists(INTERVALS))
@example([5.0, 5.0, 5.0 - TICK, 5.0 + TICK, 2.5, 2560.0, 2560.0 + TICK, 0.0])
def test_runs_have_the_result_of_counting_one_by_one(intervals):
    result = noted(intervals)

    assert result.counts == counted(intervals)
    assert result.longest == max(intervals, default=0.0)
    assert result.total == sum(intervals)


@given(st.lists(INTERVALS), INTERVALS, st.lists(INTERVALS))
def test_what_is_left_out_changes_nothing(before, pause, after):
    result = noted(before)
    now = 1000.0 + sum(before) + pause
    result.start(now)
    for at in [*accumulate(after, initial=now)][1:]:
        result.add(at)
    whole = noted([*before, *after])

    assert (result.counts, result.longest, result.total) == (whole.counts, whole.longest, whole.total)


def test_the_bounds_are_from_a_millisecond_to_forty_minutes():
    assert (BOUNDS[0], BOUNDS[-1]) == (0.001, 2560.0)
    assert list(BOUNDS) == sorted(BOUNDS)
    assert noted([1900.0]).counts[-1] == 0
    assert noted([2600.0]).counts[-1] == 1
