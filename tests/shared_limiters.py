"""Limiters of several processes, simulated in one, over a store that fails."""

import asyncio

import pytest

from headrace.documents import Snapshot
from headrace.limits import Granted, LimitSettings, SharedLimiter
from headrace.turns.store import StoreError

__all__ = ["LEASE", "RETRY_TIMEOUT", "Process", "shared", "store"]

LEASE = 9.0
RETRY_TIMEOUT = 5.0


class Store:
    """What all processes share. It fails while `failing`, and whenever `fails` returns true."""

    def __init__(self):
        self.fails = lambda: False
        self.version = 0
        self.values = {}
        self.failing = False
        self.conflicts = 0
        self.writes = 0


class Documents:
    """The way of a process to the store, a millisecond long; blocked unless `is_open`."""

    def __init__(self, store):
        self.store = store
        self.is_open = asyncio.Event()
        self.is_open.set()

    async def answer(self):
        await asyncio.sleep(0.001)
        await self.is_open.wait()
        if self.store.failing or self.store.fails():
            raise StoreError("the store is away")

    async def read(self, names):
        await self.answer()
        values = {name: self.store.values[name] for name in names if name in self.store.values}
        return Snapshot(self.store.version, values, asyncio.get_running_loop().time())

    async def version(self):
        await self.answer()
        return self.store.version

    async def write(self, version, changes):
        await self.answer()
        store = self.store
        if version != store.version:
            store.conflicts += 1
            return False
        store.version += 1
        store.writes += 1
        values = {**store.values, **changes}
        store.values = {name: value for name, value in values.items() if value is not None}
        if store.fails():
            raise StoreError("it has written, but the reply is lost")
        return True

    async def close(self):
        """Nothing is to be closed."""


class Process:
    """A limiter, and what it has reported of each turn."""

    def __init__(self, limiter, documents=None):
        self.limiter = limiter
        self.documents = documents
        self.reports = {}

    def enter(self, turn):
        reports = self.reports[turn.id] = []
        if decision := self.limiter.enter(turn, reports.append):
            reports.append(decision)
        return turn

    def state(self, turn):
        reports = self.reports[turn.id]
        return reports[-1] if reports else None

    def runs(self, turn):
        return self.state(turn) == Granted()

    def settle(self, turn, tokens=100):
        self.limiter.settle(turn.id, turn.key, tokens)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
async def shared(store):
    """Create processes that share limits."""
    processes = []

    def create(number=1, **limits):
        for place in range(number):
            documents = Documents(store)
            limiter = SharedLimiter(
                documents,
                lambda: LimitSettings(**limits),
                lease=LEASE,
                process=f"process-{place}",
                retry_timeout=RETRY_TIMEOUT,
            )
            processes.append(Process(limiter, documents))
        return processes

    yield create
    for process in processes:
        await process.limiter.close()
