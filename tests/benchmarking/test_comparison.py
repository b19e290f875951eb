"""Figures of percentiles, and the comparison of two runs."""

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.benchmarking import Run, Sample, Settings, compare
from headrace.benchmarking.compare import _resample_median
from headrace.benchmarking.summary import percentile, percentiles
from headrace.errors import RequestError


def sample(delta=1.0, gap=0.1, outcome="success", tokens=10):
    return Sample(
        planned=0.0,
        outcome=outcome,
        firsts={"byte": delta, "delta": delta},
        deliveries=(delta, delta + gap),
        end=delta + gap,
        output_tokens=tokens,
    )


def run_of(samples, **settings):
    return Run(
        url="http://x",
        date="2026-11-29",
        nonce="n",
        settings=Settings(**{"model": "m", "concurrency": 1} | settings),
        samples=samples,
        lags=[],
        backlog=1,
    )


def noisy(mean, number=100, seed=0):
    chance = random.Random(seed)
    return [sample(delta=mean + chance.random() / 10) for _ in range(number)]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_the_smallest_value_that_enough_values_do_not_exceed(values, q):
    found = percentile(values, q)

    assert found in values
    assert sum(value <= found for value in values) >= q * len(values) * (1 - 1e-12)
    assert all(sum(v <= value for v in values) < q * len(values) for value in values if value < found)


@given(st.lists(st.floats(0, 1e6)))
def test_percentiles_do_not_depend_on_the_order(values):
    found = percentiles(values)

    assert found == percentiles(reversed(values))
    assert found.count == len(values)
    assert (found.p50 is None) == (not values)
    assert not values or min(values) <= found.p50 <= found.p90 <= found.p99 <= max(values)


def test_a_slower_run_differs_clearly():
    found = {each.name: each for each in compare(run_of(noisy(1.0)), run_of(noisy(1.5, seed=1)))}
    first = found["first delta"]

    assert first.is_clear
    assert first.low < 0.5 < first.high
    assert first.high - first.low < 0.1
    assert found["output tokens/s of a stream"].high < 0
    assert not found["longest stall"].is_clear


def test_two_runs_of_the_same_speed_may_differ_by_chance():
    first = compare(run_of(noisy(1.0)), run_of(noisy(1.0, seed=1)))[0]

    assert first.low < 0 < first.high
    assert not first.is_clear


@pytest.mark.parametrize("number", [10, 11])
def test_a_drawn_median_is_distributed_as_that_of_a_resample(number):
    values, chance = list(range(number)), random.Random(1)
    drawn = [_resample_median(values, chance) for _ in range(4000)]
    resampled = [percentile(chance.choices(values, k=number), 0.5) for _ in range(4000)]

    for value in values:
        assert drawn.count(value) == pytest.approx(resampled.count(value), abs=120)


def test_the_same_files_give_the_same_interval():
    assert compare(run_of(noisy(1.0)), run_of(noisy(1.2))) == compare(run_of(noisy(1.0)), run_of(noisy(1.2)))


CHANGED = {
    field.name: {int: 7, float: 7.5, str: "other"}[field.type] for field in msgspec.structs.fields(Settings)
}


@pytest.mark.parametrize("field", CHANGED)
def test_runs_that_differ_in_a_setting_are_refused_and_it_is_named(field):
    before, after = run_of(noisy(1.0)), run_of(noisy(1.0), **{field: CHANGED[field]})

    with pytest.raises(RequestError, match=f"not comparable; they differ in {field}: "):
        compare(before, after)
    assert compare(before, after, is_forced=True)


def test_failed_requests_are_not_compared():
    fast = [sample(delta=0.001, outcome="error")] * 1000

    assert compare(run_of(noisy(1.0)), run_of(noisy(1.0) + fast))[0].after > 1


def test_too_few_requests_are_refused():
    with pytest.raises(RequestError, match="a run has 9 successful requests; at least 10"):
        compare(run_of(noisy(1.0)), run_of(noisy(1.0, number=9)))


def test_tokens_are_not_compared_without_a_usage():
    names = [each.name for each in compare(run_of(noisy(1.0)), run_of([*noisy(1.0), sample(tokens=None)]))]

    assert names == ["first delta", "longest stall", "total"]
    assert all(math.isfinite(each.low) for each in compare(run_of(noisy(1.0)), run_of(noisy(1.0))))
