"""The client's own lag, over sockets and in real time."""

import asyncio
import time

from headrace.benchmarking import Settings, bench, summarize
from headrace.checking import HttpEndpoint
from raw_server import Server
from scripted_server import stream

BODY = b"".join(stream("Hel", "lo"))
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


async def reply(server, reader, writer):
    await server.read_request(reader)
    writer.write(REPLY)


async def burn():
    """Compute for 30 of each 100 milliseconds, as a client would that decodes too much."""
    while True:
        end = time.monotonic() + 0.03
        while time.monotonic() < end:
            pass
        await asyncio.sleep(0.07)


async def test_a_client_that_is_busy_for_a_third_of_the_time_makes_the_run_invalid():
    settings = Settings(model="m", rate=40.0, duration=0.5, warmup=0.05)
    async with Server(reply) as server:
        burning = asyncio.create_task(burn())
        run = await bench(HttpEndpoint(f"http://127.0.0.1:{server.port}"), "x", settings)
        burning.cancel()
    summary = summarize(run)

    assert summary.outcomes["success"] == summary.requests > 0
    assert summary.invalid.startswith("client: it ")
    assert max(sample.started for sample in run.samples) <= max(sample.end for sample in run.samples)
