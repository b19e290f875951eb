"""Reading a turn that another process produces."""

import asyncio

from headrace.events import Text
from headrace.turns import MemoryLog
from headrace.turns.follower import Follower
from headrace.turns.store import Cursor, Tail
from turn_stores import settings


class HeldStore:
    """A store with one log. A read returns when the test sets its event, with what was saved when it began."""

    def __init__(self):
        self.events = []
        self.reads = []

    async def follow(self, id, after, wait):
        tail = Tail(self.events[after.position :], Cursor(1, len(self.events)))
        read = asyncio.Event()
        self.reads.append(read)
        await read.wait()
        return tail


async def test_a_poll_returns_everything_saved_when_an_older_concurrent_poll_ends_first():
    store, log = HeldStore(), MemoryLog()
    follower = Follower(store, "t1", log, settings(), lambda: None)
    store.events = [Text("a")]
    older = asyncio.create_task(follower.poll(wait=9))
    await asyncio.sleep(0)
    store.events = [Text("a"), Text("b")]
    newer = asyncio.create_task(follower.poll(wait=0))
    await asyncio.sleep(0)
    store.reads[0].set()
    await older
    store.reads[1].set()
    while not newer.done():
        await asyncio.sleep(0)
        store.reads[-1].set()

    assert log.events == [Text("a"), Text("b")]
    assert newer.result()
