"""The issued keys as this process knows them: a copy of the records in the store, at most a second old."""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Final

from headrace.errors import AccessError
from headrace.keys.master_key import MasterKey
from headrace.keys.records import KeyRecord, KeyRecords
from headrace.turns.store import StoreError

__all__ = ["IssuedKeys"]

_LOGGER = logging.getLogger("headrace.keys")
_INTERVAL: Final = 0.5  # seconds between two looks at the version of the records


class IssuedKeys:
    """The issued keys.

    While the store is unavailable, the keys of the copy remain valid as they were.

    Args:
        master_key: tells which keys are authentic.
        records: those in the store.
    """

    def __init__(self, master_key: MasterKey, records: KeyRecords) -> None:
        self.master_key = master_key
        self._store = records
        self._version = -1
        self._records: Mapping[str, KeyRecord] = {}
        self._refresh: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Keep the copy up to date from now on."""
        self._watch = asyncio.create_task(self._run(), name="keys")

    async def close(self) -> None:
        """Release the store."""
        tasks = [task for task in (self._watch, self._refresh) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._store.close()

    def get(self, id: str) -> KeyRecord | None:
        """Return the record of a key as of the copy; None if it has none."""
        return self._records.get(id)

    async def check(self, id: str) -> str:
        """Check that an authentic key is valid now; return its id.

        A key that is not in the copy may be newer, so the store is read. Unknown keys are not remembered.

        Raises:
            AccessError: 1002, the key has no record or is revoked; 1003, it has expired.
            StoreError: the key is not in the copy, and the store is unavailable.
        """
        for _ in range(2):  # a refresh that is running may have begun before the key was created
            if id not in self._records:
                await self._refreshed()
        record = self._records.get(id)
        if record is None:
            msg = "the turn store has no record of this API key; create a new one with `headrace keys create`"
            raise AccessError(msg)
        if record.revoked:
            msg = "this API key was revoked; ask the operator of the server for a new one"
            raise AccessError(msg)
        if record.expires and record.expires <= time.time():
            when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(record.expires))
            msg = f"this API key expired on {when} UTC; ask the operator of the server for a new one"
            raise AccessError(msg, code="1003")
        return id

    async def _refreshed(self) -> None:
        """Bring the copy up to date, in one task for all requests that wait for it."""
        if self._refresh is None:
            self._refresh = asyncio.create_task(self._load(), name="refresh of keys")
            self._refresh.add_done_callback(self._refresh_ended)
        await asyncio.shield(self._refresh)

    def _refresh_ended(self, refresh: asyncio.Task[None]) -> None:
        self._refresh = None
        if not refresh.cancelled():
            refresh.exception()  # mark as retrieved, even if every request that waited has gone

    async def _load(self) -> None:
        if await self._store.version() != self._version:
            self._version, self._records = await self._store.read()

    async def _run(self) -> None:
        is_failing = False
        while True:
            try:
                await self._refreshed()
                is_failing = False
            except StoreError as error:
                if not is_failing:
                    _LOGGER.warning("%s; API keys that are known remain valid", error.message)
                is_failing = True
            await asyncio.sleep(_INTERVAL)
