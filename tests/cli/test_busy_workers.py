"""Workers that are busy, stopped or restarted under load. Takes a minute: part of `make nightly`."""

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from scripted_server import Reply, sse
from served import BODY, part, serving, words, workers_of
from waiting import until_async
from wire_client import CHAT, chunks_of, deltas, events_of

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc"),
    pytest.mark.timeout(600),
]

STREAMS = 200
CONNECTS = 1000
STOP = 15.0  # seconds
HOLD = 20.0
TEXT = "word0 word1 word2 "

HOLDER = """
import ctypes, os, threading, time
def hold():
    while not os.path.exists("hold"):
        time.sleep(0.05)
    ctypes.PyDLL(None).usleep({microseconds})  # PyDLL keeps the GIL
    open("held", "w").close()
if os.environ.get("HEADRACE_WORKER_SLOT") == "1":
    threading.Thread(target=hold, daemon=True).start()
"""
"""A `sitecustomize` that holds the GIL of one worker."""


def sockets_of(pid):
    """The number of open sockets of a process."""
    count = 0
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += each.readlink().name.startswith("socket:")
    return count


def client_of(server):
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx2.AsyncClient(base_url=server.url, trust_env=False, timeout=300, limits=limits)


async def streams_during(client, gate, action):
    """Open the streams, do something when all have begun, and return their texts."""
    begun = set()

    async def read(number):
        async with client.stream("POST", CHAT, json=BODY) as response:
            body = b""
            async for piece in response.aiter_raw():
                body += piece
                begun.add(number)
        return "".join(deltas(chunks_of(body), "content"))

    reading = [asyncio.create_task(read(number)) for number in range(STREAMS)]
    await until_async(lambda: len(begun) == STREAMS)
    await action()
    gate.set()
    return await asyncio.gather(*reading)


def test_streams_spread_over_the_workers(tmp_path):
    gate, counts = threading.Event(), []
    with serving(tmp_path, "--workers", "4", reply=words(3, gate)) as server:
        server.wait_for_workers()
        workers = workers_of(server.process.pid)
        before = [sockets_of(pid) for pid in workers]

        async def count():
            opened = [sockets_of(pid) - idle for pid, idle in zip(workers, before, strict=True)]
            counts.append([number / 2 for number in opened])  # of the client, and to the upstream

        async def run():
            async with client_of(server) as client:
                for _ in range(2):  # the second time over kept connections
                    gate.clear()
                    assert set(await streams_during(client, gate, count)) == {TEXT}

        asyncio.run(run())
    for opened in counts:
        assert max(opened) <= 2 * sum(opened) / len(opened)
        assert sum(opened) > 0.9 * STREAMS


def test_no_connection_is_lost_while_workers_are_restarted(tmp_path):
    with serving(tmp_path, "--workers", "4") as server:
        server.wait_for_workers()
        first = workers_of(server.process.pid)[:2]
        address = urlsplit(server.url)

        async def run():
            places = asyncio.Semaphore(20)
            answers = []

            async def connect():
                async with places:
                    reader, writer = await asyncio.open_connection(address.hostname, address.port)
                    writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answers.append((await reader.read())[:12])
                    writer.close()

            connecting = [asyncio.create_task(connect()) for _ in range(CONNECTS)]
            for number, pid in enumerate(first, 1):
                await until_async(lambda number=number: len(answers) >= number * CONNECTS // 10)
                os.kill(pid, signal.SIGTERM)
            await asyncio.gather(*connecting)
            await until_async(lambda: len(set(workers_of(server.process.pid)) - set(first)) == 4)
            return answers

        assert asyncio.run(run()) == [b"HTTP/1.1 200"] * CONNECTS


def test_a_worker_that_stands_still_is_not_replaced(tmp_path):
    gate = threading.Event()
    with serving(tmp_path, "--workers", "2", reply=words(3, gate)) as server:
        server.wait_for_workers()
        workers = workers_of(server.process.pid)

        async def stop():
            os.kill(workers[0], signal.SIGSTOP)
            await asyncio.sleep(STOP)
            os.kill(workers[0], signal.SIGCONT)

        async def run():
            async with client_of(server) as client:
                return await streams_during(client, gate, stop)

        assert set(asyncio.run(run())) == {TEXT}
        assert workers_of(server.process.pid) == workers


def test_a_worker_whose_gil_is_held_is_not_replaced(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(HOLDER.format(microseconds=int(HOLD * 1e6)))
    gate, variables = threading.Event(), {"PYTHONPATH": str(tmp_path / "site")}
    with serving(tmp_path, "--workers", "2", reply=words(3, gate), variables=variables) as server:
        server.wait_for_workers()
        workers = workers_of(server.process.pid)

        async def hold():
            (tmp_path / "hold").touch()
            await until_async((tmp_path / "held").exists)

        async def run():
            async with client_of(server) as client:
                return await streams_during(client, gate, hold)

        assert set(asyncio.run(run())) == {TEXT}
        assert workers_of(server.process.pid) == workers


def test_a_worker_that_is_ended_alone_hands_its_resumable_streams_over(tmp_path):
    forever = threading.Event()
    rest = Reply([part("word1 "), part("word2 "), part("", "stop"), sse("[DONE]")])
    with serving(tmp_path, "--workers", "2", reply=(Reply([part("word0 "), forever]), rest)) as server:
        server.wait_for_workers()
        workers = workers_of(server.process.pid)
        before = {pid: sockets_of(pid) for pid in workers}
        with server.client() as client:
            headers = {"x-headrace-resumable": "1"}
            with client.stream("POST", CHAT, json=BODY, headers=headers) as response:
                pieces = response.iter_raw()
                body = next(pieces)
                os.kill(max(workers, key=lambda pid: sockets_of(pid) - before[pid]), signal.SIGTERM)
                with suppress(httpx2.RemoteProtocolError):
                    for piece in pieces:
                        body += piece
            last = events_of(body)[-1].id
            turn = f"{CHAT}/{response.headers['x-request-id']}"
            body += client.get(turn, headers={"last-event-id": last}).content
        forever.set()

    assert "".join(deltas(chunks_of(body), "content")) == TEXT
