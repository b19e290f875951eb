"""What is read of a turn that another process produces."""

import asyncio

from headrace.events import Text
from headrace.turns import MemoryLog
from headrace.turns.follower import Follower
from headrace.turns.store import Cursor, Tail
from turn_stores import settings


class Saved:
    """A store with one log; it answers each read when the test does, with what was saved when the read began."""

    def __init__(self):
        self.events = []
        self.answers = []

    async def follow(self, id, after, wait):
        tail = Tail(self.events[after.position :], Cursor(1, len(self.events)), "")
        answer = asyncio.Event()
        self.answers.append(answer)
        await answer.wait()
        return tail


async def test_catching_up_is_not_satisfied_with_an_older_read_that_ends_first():
    store, log = Saved(), MemoryLog()
    follower = Follower(store, "t1", log, settings(), lambda: None)
    store.events = [Text("a")]
    waiting = asyncio.create_task(follower.read_on(wait=9))
    await asyncio.sleep(0)
    store.events = [Text("a"), Text("b")]
    catching_up = asyncio.create_task(follower.read_on(wait=0))
    await asyncio.sleep(0)
    store.answers[0].set()
    await waiting
    store.answers[1].set()
    while not catching_up.done():
        await asyncio.sleep(0)
        store.answers[-1].set()

    assert log.events == [Text("a"), Text("b")]
    assert catching_up.result()
