"""Several processes over one store, in one: each registry is what one process has of the turns."""

import asyncio

import pytest

from continuing_engine import ASSISTANT
from headrace.engines import Generation
from headrace.events import Finish, Text
from headrace.turns import TurnRegistry
from headrace.wire import decode_request
from turn_stores import settings

__all__ = ["BODY", "SCRIPT", "die", "open_registry", "read", "shared", "start", "until"]

SCRIPT = "It was the best of times, it was the worst of times."
BODY = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
shared = pytest.mark.parametrize("store_kind", ["sqlite", "redis"], indirect=True)


@pytest.fixture
async def open_registry(open_stores):
    """A process: its registry, over the shared store, with an engine of its own."""
    opened = []

    def open_one(engine, **limits):
        chosen = settings(**limits)
        store = open_stores(lease=chosen.lease, patience=chosen.store_retry_timeout)
        registry = TurnRegistry(store, lambda request: (engine, Generation(f"q{ASSISTANT}", request)), chosen)
        opened.append(registry)
        return registry

    yield open_one
    for registry in opened:
        await registry.close()


async def start(registry, body=BODY, owner="me", **kind):
    return await registry.start(decode_request(body), body, owner, **{"resumable": True, **kind})


async def read(turn):
    """Everything, to the end: texts joined, and the ending."""
    reader = turn.reader(idle=20)
    events = []
    async with asyncio.timeout(20):
        while not events or not isinstance(events[-1], Finish):
            events += await reader.read()
    reader.close()
    return "".join(event.text for event in events if isinstance(event, Text)), events[-1]


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def die(registry):
    """As SIGKILL would: nothing is said, nothing is written any more."""
    if registry._heart:
        registry._heart.cancel()
    for turn in registry._turns.values():
        turn.is_closed = True
        turn._writer._is_busy = True
        turn._task.cancel()
    registry._turns.clear()
