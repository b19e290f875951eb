"""A reader of a turn or of its log that a test can wait for."""

import asyncio

__all__ = ["AwaitableReader"]


class AwaitableReader:
    """`read` returns everything since the previous read, and waits for something if there is nothing."""

    def __init__(self, source):
        self._news = asyncio.Event()
        self._reader = source.reader(self._news.set)
        self._is_closed = False

    async def read(self):
        while True:
            self._news.clear()
            if (events := self._reader.take()) or self._is_closed:
                return events
            await self._news.wait()

    def close(self):
        self._is_closed = True
        self._reader.close()
        self._news.set()
