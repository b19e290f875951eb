"""The records of issued keys, in the store that all processes share. They contain no secrets."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from headrace.documents import Documents
from headrace.errors import RequestError
from headrace.limits import KeyLimits
from headrace.turns.store import StoreError

__all__ = ["NEEDS_STORE", "KeyRecord", "KeyRecords", "RecordsSnapshot", "find", "new_record"]

NEEDS_STORE: Final = (
    "keys are kept in the turn store, and a memory store ends with its process; set HEADRACE_STORE to"
    " sqlite:FILE or the URL of a Redis, the same for `headrace serve` and `headrace keys`"
)
_DOCUMENT: Final = "records"  # one for all, so that a process reads them at once


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An issued key. Times are in seconds since 1970.

    Args:
        id: the part of the key before the dot.
        name: for the operator.
        created: when.
        expires: when the key expires; 0: never.
        revoked: when it was revoked; 0: it was not.
        limits: its own; for a limit of 0, the server's limit for keys applies.
        models: the names of the models that it may use; empty: all.
        admin: whether it may see what the server is doing, at /admin and /metrics.
    """

    id: str
    name: str
    created: int
    expires: int = 0
    revoked: int = 0
    limits: KeyLimits = KeyLimits()
    models: tuple[str, ...] = ()
    admin: bool = False


class RecordsSnapshot(NamedTuple):
    """All records at one moment, by id."""

    version: int
    records: Mapping[str, KeyRecord]


_decode: Final = msgspec.json.Decoder(dict[str, KeyRecord]).decode


def new_record(
    name: str, lifetime: float, limits: KeyLimits, models: tuple[str, ...], *, admin: bool = False
) -> KeyRecord:
    """Return the record of a new key, which expires after `lifetime` seconds; 0: never."""
    now = int(time.time())
    expires = now + int(lifetime) if lifetime else 0
    id = secrets.token_hex(8)
    return KeyRecord(
        id=id, name=name, created=now, expires=expires, limits=limits, models=models, admin=admin
    )


class KeyRecords:
    """The records in a store. Every method raises `StoreError` if it is unavailable.

    Args:
        documents: the namespace "keys".
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def version(self) -> int:
        """Return a number that changes with every change of a record."""
        return await self._documents.version()

    async def read(self) -> RecordsSnapshot:
        """Return all records."""
        version, values, _ = await self._documents.read([_DOCUMENT])
        try:
            return RecordsSnapshot(version, _decode(values.get(_DOCUMENT, b"{}")))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            msg = f"the turn store has damaged the records of API keys: {error}"
            raise StoreError(msg, public="the turn store is unavailable; try again later") from None

    async def add(self, record: KeyRecord) -> None:
        """Add the record of a new key."""
        await self._change(lambda records: {**records, record.id: record})

    async def revoke(self, id: str) -> KeyRecord:
        """Revoke a key; return its record as it was before.

        Raises:
            RequestError: there is no such key.
        """
        found: list[KeyRecord] = []

        def revoked(records: Mapping[str, KeyRecord]) -> Mapping[str, KeyRecord]:
            found[:] = [find(records, id)]
            at = found[0].revoked or int(time.time())
            return {**records, id: msgspec.structs.replace(found[0], revoked=at)}

        await self._change(revoked)
        return found[0]

    async def close(self) -> None:
        """Release the store."""
        await self._documents.close()

    async def _change(self, change: Callable[[Mapping[str, KeyRecord]], Mapping[str, KeyRecord]]) -> None:
        has_written = False
        while not has_written:  # another process was faster
            version, records = await self.read()
            encoded = msgspec.json.encode(change(records))
            has_written = await self._documents.write(version, {_DOCUMENT: encoded})


def find(records: Mapping[str, KeyRecord], id: str) -> KeyRecord:
    """Return the record of a key.

    Raises:
        RequestError: there is none.
    """
    if id not in records:
        what = "the argument is not the id of a key" if "." in id else f'there is no key with the id "{id}"'
        msg = f"{what}; `headrace keys list` shows the ids"
        raise RequestError(msg)
    return records[id]
