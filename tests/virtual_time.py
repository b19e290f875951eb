"""A virtual clock for asyncio: when the event loop is idle, the clock advances to the next timer.

For code that waits only with the event loop. Durations then do not depend on how busy the machine is.
"""

import asyncio

import pytest

__all__ = ["virtual_time"]

_TICK = 1e-6  # seconds; the clock always advances


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
