"""Several levels of load, and two endpoints in turns, in virtual time."""

import asyncio

import pytest

from headrace.benchmarking import Settings, Target, added_delays, bench_series
from headrace.benchmarking.prompts import BUILT_IN
from headrace.benchmarking.series import INTERRUPTED
from headrace.checking import Response
from headrace.errors import UnreachableError
from timed_endpoint import TimedEndpoint, chunk, streamed
from virtual_time import virtual_time

__all__ = ["virtual_time"]


@pytest.fixture(autouse=True)
def skipped_time(virtual_time, monkeypatch):
    monkeypatch.setattr("headrace.benchmarking.load._TICK", 10.0)


def level(number):
    return Settings(model="m", concurrency=number, duration=10, warmup=1)


async def series(*scripts, levels=(4,), observed=None):
    targets = [
        Target(f"http://{name}", TimedEndpoint(script)) for name, script in zip("ab", scripts, strict=False)
    ]
    observe = [].append if observed is None else observed.append
    runs, failure = await bench_series(targets, [level(number) for number in levels], BUILT_IN, observe)
    return runs, failure, [target.endpoint for target in targets]


async def test_levels_follow_one_another():
    runs, failure, [endpoint] = await series(lambda *_: streamed(), levels=(1, 2, 4))

    assert ([run.settings.concurrency for run in runs], failure) == ([1, 2, 4], "")
    assert [run.backlog for run in runs] == [1, 2, 4]
    contents = [request["messages"][0]["content"] for request in endpoint.requests]
    assert len(set(contents)) == len(contents), "prompts of a level are repeated"
    assert added_delays(runs) == {}


async def test_two_endpoints_get_the_same_load_in_turns():
    runs, _, endpoints = await series(lambda *_: streamed(), lambda *_: streamed(), levels=(2, 4))

    assert [run.url[-1] for run in runs] == ["a", "b", "b", "a"] * 2
    assert len({len(endpoint.requests) for endpoint in endpoints}) == 1


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.2])
async def test_the_added_delay_of_a_delta_is_found(delay):
    """A gateway that holds each delta back by the same time adds it to the first one, and to no gap."""
    runs, _, _ = await series(lambda *_: streamed(0.1, 0.05, 9), lambda *_: streamed(0.1 + delay, 0.05, 9))
    [added] = added_delays(runs).values()
    found = {each.name: each.after - each.before for each in added}

    assert found["text, mean of a stream"] == pytest.approx(delay, abs=1e-3)
    assert found["first delta"] == pytest.approx(delay, abs=1e-3)
    assert found["longest stall"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("joined", "delay", "stall"),
    [
        # Pairs: the first of each pair waits for the second.
        ([0.15, 2, 0.1, 2, 0.1, 2, 0.1, 2], 0.05 / 2, 0.1),
        # The last four at once, as a gateway sends arguments that it has checked.
        ([0.1, 1, 0.05, 1, 0.05, 1, 0.05, 1, 0.2, 4], (0.15 + 0.1 + 0.05) / 8, 0.2),
    ],
)
async def test_a_gateway_that_joins_deltas_delays_their_text(joined, delay, stall):
    whole = streamed(0.1, 0.05, 8)
    script = [step if n % 2 == 0 else chunk({"content": "x" * step}) for n, step in enumerate(joined)]
    runs, _, _ = await series(lambda *_: whole, lambda *_: [*script, whole[-1]])
    [added] = added_delays(runs).values()
    found = {each.name: each.after - each.before for each in added}

    assert found["text, mean of a stream"] == pytest.approx(delay, abs=1e-3)
    assert found["longest stall"] == pytest.approx(stall - 0.05, abs=1e-3)


async def test_too_few_successes_have_no_difference():
    runs, _, _ = await series(lambda *_: streamed(), lambda *_: [0.1, Response(status=500)])

    assert added_delays(runs) == {"closed loop, 4 at once": []}


async def test_an_endpoint_that_disappears_ends_the_series_and_keeps_its_runs():
    def script(endpoint, request):
        # After some requests of the second level, none has a connection any more.
        return streamed() if len(endpoint.requests) < 60 else [Response(cause="connect", failure="refused")]

    runs, failure, _ = await series(script, levels=(1, 2, 4))

    assert [run.settings.concurrency for run in runs] == [1, 2]
    assert failure == "http://a does not respond: refused"
    with pytest.raises(UnreachableError):
        await series(lambda *_: [Response(cause="connect", failure="refused")])


async def test_a_gateway_that_is_away_is_reported_before_the_first_run():
    endpoint = TimedEndpoint(lambda *_: streamed())
    away = TimedEndpoint(lambda *_: [Response(cause="connect", failure="refused")])
    targets = [Target("http://a", endpoint), Target("http://b", away)]

    with pytest.raises(UnreachableError, match="http://b does not respond: refused"):
        await bench_series(targets, [level(4)], BUILT_IN, [].append)
    assert len(endpoint.requests) == 1


async def test_ctrl_c_keeps_the_runs_that_have_ended():
    def script(endpoint, request):
        if len(endpoint.requests) == 60:
            task.cancel()
        return streamed()

    task = asyncio.current_task()
    runs, failure, _ = await series(script, levels=(1, 2, 4))

    assert [run.settings.concurrency for run in runs] == [1]
    assert failure == INTERRUPTED


async def test_the_progress_grows_from_0_to_1():
    observed = []
    await series(lambda *_: streamed(), lambda *_: streamed(), observed=observed)
    done = [progress.done for progress in observed]

    assert done == sorted(done)
    assert 0 <= done[0] < 0.1
    assert done[-1] == pytest.approx(1, abs=0.05)
    assert max(progress.running for progress in observed) == 4
