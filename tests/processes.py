"""Several server processes over one store, simulated in one process: each has a registry of its own."""

import asyncio

import pytest

from headrace.events import Finish, Text
from headrace.turns import TurnRegistry
from headrace.wire import decode_request
from log_readers import AwaitableReader
from plans import planner
from turn_stores import settings

__all__ = ["BODY", "SCRIPT", "die", "open_registry", "read", "start", "stop_heartbeats"]

SCRIPT = "It was the best of times, it was the worst of times."
BODY = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'


@pytest.fixture
async def open_registry(open_stores):
    """Opens the registry of another process over the shared store, with an engine of its own."""
    opened = []

    def open_one(engine, observers=(), **limits):
        chosen = settings(**limits)
        limits_of_store = ("lease", "retention", "store_retry_timeout")
        store = open_stores(**{name: getattr(chosen, name) for name in limits_of_store})
        registry = TurnRegistry(store, planner(engine), chosen, observers)
        opened.append(registry)
        return registry

    yield open_one
    for registry in opened:
        await registry.close()


async def start(registry, body=BODY, owner="me", **kind):
    return await registry.start(registry.planner(decode_request(body), owner), **{"resumable": True, **kind})


async def read(turn):
    """Read to the end; return the joined texts and the ending."""
    reader = AwaitableReader(turn)
    events = []
    async with asyncio.timeout(20):
        while not events or not isinstance(events[-1], Finish):
            events += await reader.read()
    reader.close()
    return "".join(event.text for event in events if isinstance(event, Text)), events[-1]


def stop_heartbeats(registry):
    """Let the leases of a process expire."""
    for shard in registry._shards:
        if shard._task:
            shard._task.cancel()


def die(registry):
    """Simulate SIGKILL: no more heartbeats, no more writes."""
    stop_heartbeats(registry)
    for turn in registry._turns.values():
        turn._state = turn._state.DETACHED
        turn._writer._is_busy = True
        if turn._run:
            turn._run.stop()
        if turn._task:
            turn._task.cancel()
    registry._turns.clear()
