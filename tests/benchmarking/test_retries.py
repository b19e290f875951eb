"""Refused requests that are sent again, in virtual time; and cancelled ones, over sockets."""

import asyncio

import pytest

from headrace.benchmarking import Settings, bench, summarize
from headrace.checking import HttpEndpoint, Response
from raw_server import Server
from scripted_server import sse, stream
from timed_endpoint import TimedEndpoint, streamed
from virtual_time import virtual_time

__all__ = ["virtual_time"]


@pytest.fixture(autouse=True)
def rare_ticks(monkeypatch):
    monkeypatch.setattr("headrace.benchmarking.load._TICK", 10.0)
    monkeypatch.setattr("headrace.benchmarking.load._PROGRESS_INTERVAL", 10.0)


REFUSED = Response(status=429, headers={"retry-after": "2"}, pieces=[(0.01, b"{}")])
AWAY = Response(cause="connect", failure="refused")


def failing(failure, times):
    """A script that fails so often for each request, after the first request of the run."""
    attempts = {}

    def script(endpoint, request):
        number = attempts[request.body] = attempts.get(request.body, -1) + 1
        return [failure] if len(attempts) > 1 and number < times else streamed()

    return script


async def retry(failure, times, retries):
    settings = Settings(model="m", rate=2.0, duration=20, warmup=1, retries=retries)
    run = await bench(TimedEndpoint(failing(failure, times)), "http://x", settings)
    return run, summarize(run)


async def test_a_refused_request_is_sent_again_and_its_wait_counts(virtual_time):
    run, summary = await retry(REFUSED, times=2, retries=3)

    assert summary.outcomes["success"] == summary.requests > 20
    assert summary.retries == 2 * summary.requests
    assert summary.refusals == {"429, sent again": summary.retries}
    assert summary.refused_share == 1
    assert min(sample.firsts["delta"] for sample in run.samples) >= 2 * 2  # of Retry-After


@pytest.mark.parametrize("retries", [0, 1])
async def test_a_request_is_not_sent_more_often_than_requested(virtual_time, retries):
    _, summary = await retry(REFUSED, times=2, retries=retries)

    assert summary.outcomes["error"] == summary.requests
    assert summary.retries == retries * summary.requests
    assert sum(summary.refusals.values()) == (1 + retries) * summary.requests


async def test_the_wait_grows_without_retry_after(virtual_time):
    run, summary = await retry(AWAY, times=3, retries=3)

    assert summary.outcomes["success"] == summary.requests
    assert all(sample.retried == (0, 0, 0) for sample in run.samples)
    assert min(sample.firsts["delta"] for sample in run.samples) >= 0.5 + 1 + 2
    assert summary.refusals == {}


async def test_other_failures_are_not_sent_again(virtual_time):
    _, summary = await retry(Response(status=500, pieces=[(0.01, b"{}")]), times=1, retries=3)

    assert (summary.outcomes["error"], summary.retries) == (summary.requests, 0)


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def in_chunks(*parts):
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


async def cancelled(ending, *, share=1.0):
    """Cancel requests at an endpoint that sends four parts, waits for the client to leave, and then calls `ending`."""

    async def script(server, reader, writer):
        await server.read_request(reader)
        writer.write(HEAD)
        for number in range(4):
            writer.write(in_chunks(sse({"choices": [{"delta": {"content": f"{number}"}}]})))
            await writer.drain()
            await asyncio.sleep(0.001)
        if server.connections == 1:
            writer.write(in_chunks(*stream("x"), b""))
            return
        assert await reader.read() == b""
        ending(writer)
        writer.close()

    settings = Settings(model="m", rate=50.0, duration=0.2, warmup=0.02, cancel=share)
    async with Server(script) as server:
        run = await bench(HttpEndpoint(f"http://127.0.0.1:{server.port}"), "x", settings)
    return run, summarize(run)


@pytest.mark.parametrize(
    "rest", [b"", in_chunks(*stream("x"), b"")], ids=["at once", "after a complete answer"]
)
async def test_the_time_until_the_endpoint_ends_a_cancelled_request_is_measured(rest):
    run, summary = await cancelled(lambda writer: writer.write(rest))

    assert summary.outcomes["cancelled"] == summary.cancel_latency.count == summary.requests > 0
    assert all(0 <= sample.cancel_latency <= sample.end for sample in run.samples)
    assert (summary.failures, summary.total.count) == ({}, 0)


async def test_every_share_of_the_requests_is_cancelled(virtual_time):
    halves = []

    def script(_, request):
        halves.append(request.half_close_after > 0)
        return streamed()

    settings = Settings(model="m", rate=10.0, duration=20, warmup=1, cancel=0.25)
    await bench(TimedEndpoint(script), "http://x", settings)

    assert halves[1:41].count(True) == 10
