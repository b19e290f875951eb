"""A transport of httpx2 for several event loops: its connections belong to the one that opened them."""

import asyncio
import weakref
from collections.abc import Callable

import httpx2

__all__ = ["LoopTransports"]


class LoopTransports(httpx2.AsyncBaseTransport):
    """One transport for each event loop.

    Args:
        make: makes a transport.
    """

    def __init__(self, make: Callable[[], httpx2.AsyncBaseTransport]) -> None:
        self._make = make
        self._unused: httpx2.AsyncBaseTransport | None = make()  # an invalid proxy raises here
        self._transports: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncBaseTransport] = (
            weakref.WeakKeyDictionary()
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request with the transport of the running event loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._transports:
            self._transports[loop] = self._unused or self._make()
            self._unused = None
        return await self._transports[loop].handle_async_request(request)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those of others cannot be closed here."""
        transport = self._transports.pop(asyncio.get_running_loop(), None)
        if transport is not None:
            await transport.aclose()
