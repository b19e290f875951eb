"""Documents in the Redis or Valkey of the turn store.

    headrace:documents:{namespace}      a hash: each document by its name, and the version by ""

The hash has no time to live, so that `maxmemory-policy volatile-ttl` never evicts it.
"""

import secrets
from collections.abc import Collection, Mapping
from typing import Any, Final

from headrace.documents.base import Snapshot
from headrace.turns.redis_client import RedisClient
from headrace.turns.settings import TurnSettings
from headrace.turns.store import StoreError

__all__ = ["RedisDocuments"]

# The version is that of the last write, in microseconds, and the id of that write: redis-py repeats a command
# whose reply was lost.
_WRITE: Final = """
local version, id = string.match(redis.call('HGET', KEYS[1], '') or '0 ', '(%d+) (.*)')
if id == ARGV[2] then return 1 end
if version ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local next = math.max(version + 1, time[1] * 1000000 + time[2])
redis.call('HSET', KEYS[1], '', string.format('%.0f', next) .. ' ' .. ARGV[2])
for i = 4, 3 + 2 * ARGV[3], 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = 4 + 2 * ARGV[3], #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
return 1
"""


class RedisDocuments:
    """`Documents` in a hash.

    Args:
        settings: `store` is a URL: `redis://…`, `rediss://…` or `unix://…`.
        namespace: names the documents.

    Raises:
        ValueError: the URL is malformed.
    """

    def __init__(self, settings: TurnSettings, namespace: str) -> None:
        self._client = RedisClient(settings.store)
        self._key = f"headrace:documents:{namespace}"
        self._now = 0.0

    async def read(self, names: Collection[str]) -> Snapshot:
        await self._client.check_mode()
        wanted = ("HMGET", self._key, "", *names)
        (state, *values), (seconds, micros) = await self._client.request(wanted, ("TIME",))
        version = _version(state)
        found = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        self._now = max(self._now, int(seconds) + int(micros) / 1e6, version / 1e6)  # its clock may be set
        return Snapshot(version, found, self._now)

    async def version(self) -> int:
        (state,) = await self._client.request(("HGET", self._key, ""))
        return _version(state)

    async def write(self, version: int, changes: Mapping[str, bytes | None]) -> bool:
        set_values: list[Any] = []
        deleted = []
        for name, value in changes.items():
            if value is None:
                deleted.append(name)
            else:
                set_values += (name, value)
        write_id = secrets.token_hex(8)
        values = [version, write_id, len(set_values) // 2, *set_values, *deleted]
        return bool(await self._client.script(_WRITE, [self._key], values))

    async def close(self) -> None:
        await self._client.close()


def _version(state: bytes | None) -> int:
    version = state.partition(b" ")[0] if state else b"0"
    if not version.isdigit():
        msg = f"the turn store has damaged the version of its documents: {version!r}"
        raise StoreError(msg, public="the turn store is unavailable; try again later")
    return int(version)
