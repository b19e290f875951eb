"""Slows down clients that try API keys; a request with a right key never waits."""

import asyncio
from typing import Final

__all__ = ["Throttle"]

_INTERVAL: Final = 0.1
_LONGEST: Final = 2.0


class Throttle:
    """Delays responses so that ten are sent per second, over all connections; none by more than 2 s."""

    def __init__(self) -> None:
        self._next = 0.0

    async def wait(self) -> None:
        """Wait until the next of these responses may be sent."""
        now = asyncio.get_running_loop().time()
        at = max(self._next, now)
        self._next = min(at + _INTERVAL, now + _LONGEST)
        await asyncio.sleep(at - now)
