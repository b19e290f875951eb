"""A clock for asyncio that never waits: where nothing else is to be done, the next timer is due.

For code that waits by the event loop alone. What it measures does not depend on how busy the machine is.
"""

import asyncio

import pytest

__all__ = ["virtual_time"]

_TICK = 1e-6  # seconds: time never stands still


@pytest.fixture
async def virtual_time(monkeypatch):
    """Make the test's loop skip its waits; `asyncio.get_running_loop().time()` is the time."""
    loop = asyncio.get_running_loop()
    select, now = loop._selector.select, loop.time()

    def skip(timeout):
        nonlocal now
        events = select(0 if timeout is not None else None)
        now += _TICK if events else timeout or _TICK
        return events

    monkeypatch.setattr(loop._selector, "select", skip)
    monkeypatch.setattr(loop, "time", lambda: now)
