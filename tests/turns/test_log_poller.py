"""Following many logs by few queries: counted in queries and in logs per query, in virtual time."""

import asyncio
import random

import pytest

from headrace.events import Text
from headrace.turns import log_poller as module
from headrace.turns.log_poller import BlockingPoller, Found, LogPoller
from headrace.turns.store import Cursor, GoneError, StoreError, Tail
from virtual_time import virtual_time

__all__ = ["virtual_time"]

LEASE_THIRD = 2.0  # seconds after which a follower waits again


class Logs:
    """Logs, queried as SQLite's and as Redis's are; counts the queries and the logs that they read."""

    def __init__(self):
        self.events = {}
        self.errors = {}
        self.queries = self.logs_read = 0
        self._grown = set()
        self._news = asyncio.Event()

    def append(self, id):
        self.events.setdefault(id, []).append(Text(str(len(self.events[id]))))
        self._grown.add(id)
        self._news.set()

    async def grown(self, new, logs):
        """Read the new logs, and those that have grown since the previous query."""
        grown, self._grown = self._grown, set()
        return self._read({**{id: logs[id] for id in grown & logs.keys()}, **new})

    def blocking(self, seconds):
        """Return a query that waits for events in any of its logs."""

        async def query(logs, _):
            try:
                async with asyncio.timeout(seconds):
                    while not (found := self._read(logs, counts=False)):
                        self._news.clear()
                        await self._news.wait()
            except TimeoutError:
                found = []
            self._read(logs)
            return found

        return query

    def _read(self, logs, *, counts=True):
        if counts:
            self.queries += 1
            self.logs_read += len(logs)
        found = []
        for id, after in logs.items():
            if id in self.errors:
                found.append(Found(id, after, self.errors[id]))
            elif events := self.events.get(id, [])[after.position :]:
                found.append(Found(id, after, Tail(events, Cursor(1, after.position + len(events)))))
        return found


def pollers(logs):
    return [LogPoller(logs.grown), BlockingPoller(logs.blocking(0.025), logs.blocking(1))]


async def follow(poller, id, received):
    """Follow as a `Follower` does: wait for events, and again after a while, without a pause in between."""
    cursor = Cursor(1, 0)
    while True:
        tail = await poller.next(id, cursor, LEASE_THIRD)
        if tail is not None:
            now = asyncio.get_running_loop().time()
            received.setdefault(id, []).extend((event.text, now) for event in tail.events)
            cursor = tail.cursor


async def stop(poller, tasks):
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await poller.close()


@pytest.mark.parametrize("kind", [0, 1], ids=["polling", "blocking"])
async def test_a_thousand_silent_logs_are_hardly_ever_read_and_a_busy_one_is_on_time(virtual_time, kind):
    logs, received = Logs(), {}
    poller = pollers(logs)[kind]
    loop = asyncio.get_running_loop()
    logs.events = {f"t{number}": [] for number in range(1000)} | {"busy": []}
    tasks = [asyncio.create_task(follow(poller, id, received)) for id in logs.events]
    await asyncio.sleep(5)
    logs.queries = logs.logs_read = 0
    written = []
    for _ in range(500):  # 10 seconds
        logs.append("busy")
        written.append(loop.time())
        await asyncio.sleep(0.02)
    queries, logs_read = logs.queries, logs.logs_read
    delays = [at - begun for (_, at), begun in zip(received["busy"], written, strict=True)]
    await stop(poller, tasks)

    assert received.keys() == {"busy"}
    assert max(delays) <= 0.005
    assert queries <= 10 / module._BUSY_INTERVAL + 20
    assert logs_read <= {0: 10 / module._BUSY_INTERVAL * 6, 1: 15_000}[kind]  # of 1,001 times the queries


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", [0, 1], ids=["polling", "blocking"])
async def test_every_event_arrives_once_in_order_and_soon(virtual_time, kind, seed):
    rng = random.Random(seed)
    logs, received, written = Logs(), {}, {}
    poller = pollers(logs)[kind]
    loop = asyncio.get_running_loop()
    ids = [f"t{number}" for number in range(30)]
    logs.events = {id: [] for id in ids}
    tasks, followed_since = [], {}
    for _ in range(500):
        id = rng.choice(ids)
        if rng.random() < 0.1 and len(tasks) < len(ids):
            followed_since[ids[len(tasks)]] = loop.time()
            tasks.append(asyncio.create_task(follow(poller, ids[len(tasks)], received)))
        logs.append(id)
        written.setdefault(id, []).append(loop.time())
        await asyncio.sleep(rng.choice([0, 0, 0.001, 0.02, 0.3]))
    await asyncio.sleep(3)
    await stop(poller, tasks)

    for id, since in followed_since.items():
        got = received.get(id, [])
        assert [text for text, _ in got] == [str(number) for number in range(len(logs.events[id]))]
        pairs = zip(written.get(id, []), (at for _, at in got), strict=True)
        assert all(at - begun <= 0.03 for begun, at in pairs if begun > since)


@pytest.mark.parametrize("kind", [0, 1], ids=["polling", "blocking"])
async def test_an_error_of_one_log_ends_the_wait_for_that_one_only(virtual_time, kind):
    logs = Logs()
    poller = pollers(logs)[kind]
    logs.events = {"bad": [], "good": []}
    tasks = [asyncio.create_task(poller.next(id, Cursor(1, 0), 60)) for id in logs.events]
    await asyncio.sleep(5)  # both are silent
    logs.errors["bad"] = GoneError("bad", "why")
    logs.append("bad")
    with pytest.raises(GoneError):
        await tasks[0]
    logs.append("good")

    assert (await tasks[1]).events == [Text("0")]
    await poller.close()


@pytest.mark.parametrize("kind", [0, 1], ids=["polling", "blocking"])
async def test_an_error_of_the_store_ends_every_wait_and_the_next_one_succeeds(virtual_time, kind):
    logs = Logs()
    poller = pollers(logs)[kind]
    logs.events = {"a": [], "b": []}
    fails = True

    def failing(query):
        async def run(*arguments):
            if fails:
                raise StoreError("away")
            return await query(*arguments)

        return run

    poller._query = failing(poller._query)
    waits = [poller.next(id, Cursor(1, 0), 60) for id in logs.events]
    results = await asyncio.gather(*waits, return_exceptions=True)
    fails = False
    logs.append("a")

    assert [str(result) for result in results] == ["away", "away"]
    assert (await poller.next("a", Cursor(1, 0), 60)).events == [Text("0")]
    assert await poller.next("b", Cursor(1, 0), 3) is None
    await poller.close()
