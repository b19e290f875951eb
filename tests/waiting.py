"""Waiting until a condition holds, with a limit that only a fault reaches: the machine may be busy."""

import asyncio
import time

__all__ = ["until", "until_async"]

_LIMIT = 100  # seconds; pytest ends a test after 120
_INTERVAL = 0.005


def until(condition):
    """Wait for a condition; return its value."""
    deadline = time.monotonic() + _LIMIT
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {_LIMIT} s"
        time.sleep(_INTERVAL)
    return value


async def until_async(condition):
    """The same, while the event loop runs."""
    async with asyncio.timeout(_LIMIT):
        while not (value := condition()):
            await asyncio.sleep(_INTERVAL)
    return value
