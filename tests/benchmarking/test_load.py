"""Runs in virtual time: the shape of the load, and what is measured."""

import asyncio

import msgspec
import pytest

from headrace.benchmarking import Settings, Slo, bench, summarize
from headrace.benchmarking.prompts import NONCE_LENGTH
from headrace.checking import Response
from headrace.errors import UnreachableError
from timed_endpoint import DONE, TimedEndpoint, chunk, streamed, usage
from virtual_time import virtual_time

__all__ = ["virtual_time"]


@pytest.fixture(autouse=True)
def skipped_time(virtual_time, monkeypatch):
    monkeypatch.setattr("headrace.benchmarking.load._TICK", 10.0)  # of the lag, which is that of real time
    monkeypatch.setattr("headrace.benchmarking.load._PROGRESS_INTERVAL", 10.0)


async def run(script, nonce="nonce", **settings):
    endpoint = TimedEndpoint(script)
    result = await bench(endpoint, "http://x", Settings(model="m", **settings), nonce=nonce)
    assert len(asyncio.all_tasks()) == 1, "a request outlives its run"
    return result, endpoint


async def test_a_closed_loop_has_its_number_of_requests_at_once():
    most = []

    def script(endpoint, _):
        most.append(endpoint.running)
        return streamed()

    result, _ = await run(script, concurrency=5, duration=10, warmup=2)

    assert max(most) == result.backlog == 5
    assert len(result.samples) == pytest.approx(5 * 10 / 0.3, rel=0.05)
    assert {sample.outcome for sample in result.samples} == {"success"}


async def test_only_requests_that_were_planned_after_the_warmup_are_measured():
    result, endpoint = await run(lambda *_: streamed(), rate=20.0, duration=10, warmup=5)

    assert all(5 <= sample.planned < 15 for sample in result.samples)
    assert len(result.samples) < len(endpoint.requests)
    assert len(result.samples) == pytest.approx(200, rel=0.25)


async def first_deltas(**settings):
    """The first deltas of a run in which the endpoint stands still from 20 to 30 seconds."""
    start = asyncio.get_running_loop().time()

    def script(*_):
        now = asyncio.get_running_loop().time() - start
        return streamed(first=0.1 + (max(0.0, 30 - now) if now >= 20 else 0.0), gap=0.0)

    result, _ = await run(script, warmup=1, duration=60, **settings)
    return summarize(result), [sample.firsts["delta"] for sample in result.samples]


async def test_an_open_loop_sees_the_time_in_which_the_endpoint_stands_still():
    summary, firsts = await first_deltas(rate=10.0)

    assert summary.firsts["delta"].p99 >= 9
    assert sum(first > 1 for first in firsts) / len(firsts) == pytest.approx(1 / 6, abs=0.04)


async def test_a_closed_loop_hides_it_and_is_labelled():
    _, firsts = await first_deltas(concurrency=1)

    assert sum(first > 1 for first in firsts) == 1
    assert Settings(model="m", concurrency=1).loop == "closed loop, 1 at once"
    assert Settings(model="m", rate=10.0).loop == "open loop, 10 per second"


async def test_the_number_of_requests_does_not_change_the_first_delta():
    """The first delta takes longer the more requests wait for theirs: a burst at the start would show."""

    async def p99(duration):
        waiting = set()

        def script(_, request):
            waiting.add(request.body)
            yield 0.1 * len(waiting)
            waiting.discard(request.body)
            yield from streamed(first=0.0, gap=0.4, number=5)

        result, _ = await run(script, concurrency=10, duration=duration, warmup=10)
        return summarize(result).firsts["delta"].p99

    assert await p99(60) == pytest.approx(await p99(600), rel=0.1)


def texts(endpoint):
    return [request["messages"][0]["content"] for request in endpoint.requests]


async def test_no_two_prompts_of_two_runs_have_the_same_beginning():
    (_, first), (_, second) = [
        await run(lambda *_: streamed(), nonce=nonce, concurrency=2, duration=20, warmup=1) for nonce in "ab"
    ]
    beginnings = [text[:NONCE_LENGTH] for endpoint in (first, second) for text in texts(endpoint)]

    assert len(set(beginnings)) == len(beginnings) > 100
    assert [len(text) for text in texts(first)] == [len(text) for text in texts(second)]


async def test_warm_prompts_repeat_with_the_same_lengths():
    _, cold = await run(lambda *_: streamed(), concurrency=2, duration=20, warmup=1)
    _, warm = await run(lambda *_: streamed(), concurrency=2, duration=20, warmup=1, cache="warm")

    assert len(set(texts(warm)[1:])) == 8
    assert [len(text) for text in texts(warm)] == [len(text) for text in texts(cold)]


@pytest.mark.parametrize(("cache", "warned"), [("cold", True), ("warm", False)])
async def test_cached_tokens_are_reported(cache, warned):
    ending = (chunk(reason="stop"), usage(prompt=10, cached=8), DONE)
    result, _ = await run(
        lambda *_: streamed(ending=ending), concurrency=1, duration=5, warmup=1, cache=cache
    )
    summary = summarize(result)

    assert summary.cached_share == 0.8
    assert any("80.0% of the prompt tokens were cached" in text for text in summary.warnings) == warned


async def test_refusals_do_not_end_the_run():
    """Above 20 requests at once, the endpoint refuses."""

    def script(endpoint, _):
        if endpoint.running > 20:
            return [Response(status=429, headers={"retry-after": "2"}, pieces=[(0.01, b"{}")])]
        return streamed(first=1.0, number=1)

    slow, _ = await run(script, rate=5.0, duration=30, warmup=2)
    fast, _ = await run(script, rate=40.0, duration=30, warmup=2)
    calm, busy = summarize(slow), summarize(fast)

    assert (calm.refusals, calm.good_share) == ({}, 1.0)
    assert list(busy.refusals) == ["429, Retry-After 2"]
    assert busy.good_share == pytest.approx(0.5, abs=0.1)
    assert busy.outcomes["error"] == busy.refusals["429, Retry-After 2"]
    assert calm.requests < busy.requests / 5


async def test_a_long_stream_is_read_to_its_end():
    def script(*_):
        return streamed(gap=400.0, number=4)

    result, _ = await run(script, rate=0.1, duration=60, warmup=1, drain=3000)

    assert {sample.outcome for sample in result.samples} == {"success"}
    assert min(sample.end for sample in result.samples) >= 1200


async def test_a_stream_without_an_end_is_cancelled_after_the_drain():
    def hold(endpoint, _):
        return streamed() if len(endpoint.requests) == 1 else [chunk({"content": "x"}), 1e9]

    result, _ = await run(hold, rate=5.0, duration=2, warmup=1, drain=10)

    assert {sample.outcome for sample in result.samples} == {"cancelled"}
    assert min(sample.end for sample in result.samples) >= 10


@pytest.mark.parametrize(("settings", "warned"), [({"concurrency": 2}, True), ({"rate": 2.0}, False)])
async def test_answers_that_are_longer_than_the_run_leave_nothing_to_measure_in_a_closed_loop(
    settings, warned
):
    result, _ = await run(lambda *_: streamed(gap=100.0), duration=10, warmup=2, **settings)
    warnings = summarize(result).warnings

    assert any("no request was planned within the duration" in text for text in warnings) == warned
    assert (result.samples == []) == warned


async def test_failed_requests_change_no_figure_of_the_others():
    def script(endpoint, _):
        if len(endpoint.requests) % 2:
            return [9.0, chunk({"content": "x"})]
        return streamed()

    mixed, _ = await run(script, rate=10.0, duration=30, warmup=1)
    summary = summarize(mixed)
    good = [sample for sample in mixed.samples if sample.outcome == "success"]

    assert summary.outcomes["truncated"] + len(good) == len(mixed.samples)
    assert summary.good_share == pytest.approx(0.5, abs=0.01)
    mixed.samples = good
    only = summarize(mixed)
    for figure in ("firsts", "total", "gaps", "longest_stalls", "output_tokens_per_second", "goodput"):
        assert getattr(only, figure) == getattr(summary, figure)


async def test_a_late_client_makes_the_run_invalid():
    result, _ = await run(lambda *_: streamed(), rate=10.0, duration=10, warmup=1)
    result.lags = [0.001] * 100
    assert summarize(result).invalid == ""

    result.lags = [0.001] * 70 + [0.05] * 30
    assert summarize(result).invalid.startswith("client: it read 50.0 ms late")
    assert summarize(result, max_lag=0.1).invalid == ""

    result.lags, result.samples = (
        [],
        [msgspec.structs.replace(sample, started=0.05) for sample in result.samples],
    )
    assert summarize(result).invalid.startswith("client: it sent 50.0 ms late")


async def test_a_limit_of_the_client_makes_the_run_invalid():
    def script(endpoint, _):
        if len(endpoint.requests) == 1:
            return streamed()
        return [Response(cause="client", failure="too many open files")]

    summary = summarize((await run(script, rate=10.0, duration=10, warmup=1))[0])

    assert summary.outcomes["client"] == summary.requests > 0
    assert summary.invalid.endswith("requests failed by a limit of this machine")


async def test_an_endpoint_that_is_away_is_reported_before_the_load():
    away = Response(cause="connect", failure="refused")

    with pytest.raises(UnreachableError, match="http://x does not respond: refused"):
        await run(lambda *_: [away], rate=10.0)


async def test_asked_and_generated_tokens_are_compared():
    ending = (chunk(reason="stop"), usage(prompt=22, output=200), DONE)
    result, _ = await run(lambda *_: streamed(ending=ending), rate=5.0, duration=10, warmup=1, max_tokens=128)
    summary = summarize(result)

    assert (summary.prompt_tokens.p50, summary.output_tokens.p50) == (22, 200)
    assert "answers have 200.0 tokens on average, but 128 were requested" in summary.warnings


async def test_without_a_usage_tokens_are_not_available():
    result, _ = await run(
        lambda *_: streamed(ending=(chunk(reason="stop"), DONE)), rate=5.0, duration=10, warmup=1
    )
    summary = summarize(result)

    assert summary.outcomes["success"] == summary.gaps.count / 2 > 0
    assert summary.output_tokens_per_second is None
    assert summary.stream_tokens_per_second.count == summary.output_tokens.count == 0


async def test_hidden_thinking_is_reported():
    ending = (chunk(reason="stop"), usage(output=90, reasoning=80), DONE)
    result, _ = await run(lambda *_: streamed(ending=ending), rate=5.0, duration=10, warmup=1)

    assert any("after hidden thinking, 80 tokens on average" in text for text in summarize(result).warnings)


async def test_a_good_request_is_within_every_bound():
    result, _ = await run(lambda *_: streamed(first=0.5, gap=0.2), rate=5.0, duration=10, warmup=1)

    for bound, value in {"ttft": 0.5, "gap_p99": 0.2, "stall": 0.2, "total": 0.9}.items():
        assert summarize(result, Slo(**{bound: value + 0.01})).good_share == 1
        assert summarize(result, Slo(**{bound: value - 0.01})).good_share == 0


async def test_an_error_of_the_endpoint_object_ends_the_run():
    def script(endpoint, _):
        if len(endpoint.requests) > 3:
            raise ValueError("x")
        return streamed()

    with pytest.raises(ValueError, match="x"):
        await run(script, rate=5.0, duration=10, warmup=1)


async def test_the_figures_of_a_known_load():
    """In ten requests, the first delta comes after 0.1, 0.2, … 1.0 s; only the last has gaps of 1 s."""

    def script(endpoint, _):
        last_digit = len(endpoint.requests) % 10
        return streamed(first=0.1 * (last_digit + 1), gap=1.0 if last_digit == 9 else 0.1)

    result, _ = await run(script, concurrency=1, duration=93, warmup=9.35)
    summary = summarize(result, Slo(ttft=0.55, stall=0.5))

    assert summary.requests == summary.outcomes["success"] == 100
    for found, expected in (
        (summary.firsts["delta"], (0.5, 0.9, 1.0)),
        (summary.gaps, (0.1, 0.1, 1.0)),
        (summary.longest_stalls, (0.1, 0.1, 1.0)),
        (summary.total, (0.7, 1.1, 3.0)),
        (summary.stream_tokens_per_second, (3 / 0.8, 3 / 0.4, 3 / 0.3)),
    ):
        assert (found.p50, found.p90, found.p99) == pytest.approx(expected, abs=2e-3)
    assert summary.output_tokens_per_second == pytest.approx(300 / 93)
    assert (summary.good_share, summary.goodput) == pytest.approx((0.5, 50 / 93))
