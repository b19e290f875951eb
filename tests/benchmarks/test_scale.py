"""The model of benchmarks/scale.py: what must hold whatever the costs are."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from scale import COSTS, LOAD, STREAMS, breaking_points, deploy, lost_zone, needs


@given(st.integers(1, 10**7), st.floats(0.1, 1000))
def test_what_is_needed_grows_with_streams_and_costs(streams, factor):
    once, twice = needs(streams), needs(2 * streams)
    dearer = needs(streams, replace(COSTS, chunk=COSTS.chunk * (1 + factor)))

    for name in ("headrace", "proxies", "redis", "memory", "redis_bytes", "client_bytes", "dollars"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(once, name))
    assert dearer.headrace > once.headrace
    assert dearer.proxies == once.proxies


def test_a_part_breaks_where_its_cores_are_used_up():
    points = breaking_points()
    for what, part in (("one process of Headrace", "headrace"), ("one Redis: its core", "redis")):
        full = needs(round(points[what]), load=replace(LOAD, share=1.0))
        assert getattr(full, part) == pytest.approx(1, rel=0.02)
    assert list(points.values()) == sorted(points.values())


@given(st.sampled_from(STREAMS), st.floats(1, 30), st.floats(0.1, 0.6))
def test_every_stream_of_a_lost_zone_comes_back_and_the_rest_is_as_busy_as_it_must_be(streams, spread, share):
    load = replace(LOAD, share=share)
    course = lost_zone(streams, spread, load=load, seconds=300)

    assert sum(second.returning for second in course) == pytest.approx(streams / load.zones)
    assert course[0].busy == pytest.approx(share)
    assert course[-1].behind == 0
    assert course[-1].busy == pytest.approx(share * load.zones / (load.zones - 1))


@given(st.integers(100, 10**7), st.floats(0.001, 1))
def test_a_deployment_moves_each_stream_at_least_once(streams, at_once):
    done = deploy(streams, at_once)

    assert 1 <= done.moves < 2.72 - 0.99  # e - 1, if one replica follows the other
    assert done.seconds >= 30
    assert done.returning <= streams / 30


def test_zones_that_are_too_busy_never_recover():
    course = lost_zone(STREAMS[0], 5, load=replace(LOAD, share=0.7), seconds=300)
    assert course[-1].behind > course[20].behind > 0
