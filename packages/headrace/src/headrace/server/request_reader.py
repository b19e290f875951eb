"""Reading a request that starts a turn: authentication, limits, decoding and planning, for every endpoint.

A body of a few kilobytes is decoded and rendered at once. For a larger one, other clients' streams would have
to wait, so that happens in a thread of a small pool.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from headrace.errors import LimitError
from headrace.models import ModelRegistry
from headrace.models.size_limits import BODY_BYTES, BYTES_PER_TOKEN
from headrace.server.connection import HttpConnection
from headrace.server.keys import ApiKeys
from headrace.server.memory import trim
from headrace.turns import Plan, Planner
from headrace.wire import decode_request

__all__ = ["RequestReader", "Workers", "default_body_size"]

T = TypeVar("T")

_LOGGER: Final = logging.getLogger("headrace.server")

_SMALL: Final = 4096  # bytes; decoding and rendering one takes less than 5 ms, whatever it contains
_THREADS: Final = 2  # they share the GIL with the event loop
_MAX_QUEUED: Final = 64  # bodies that may wait for a thread
_TRIM_DELAY: Final = 0.5  # seconds; a trim is for all calls that end meanwhile
_ZAI_USER_ID: Final = 6  # characters, at least
_LARGE_BODY_BYTES: Final = 32 * 1024 * 1024


def default_body_size(models: ModelRegistry) -> int:
    """Return the bytes of the largest body that a model could answer."""
    if not all(model.context for model in models.models):
        return _LARGE_BODY_BYTES
    bytes = BODY_BYTES + BYTES_PER_TOKEN * max((model.context for model in models.models), default=0)
    has_images = any(model.accepts_images for model in models.models)
    return max(bytes, _LARGE_BODY_BYTES) if has_images else bytes


class Workers:
    """A bounded pool of threads, for what would block the event loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "worker")
        self._queued = 0
        self._is_trim_due = False

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in a thread.

        Raises:
            LimitError: 1305, too many calls are waiting.
        """
        if self._queued >= _THREADS + _MAX_QUEUED:
            msg = f"{_MAX_QUEUED} large requests are waiting to be read; try again later"
            raise LimitError(msg, code="1305")
        self._queued += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, function, *arguments)
        finally:
            self._queued -= 1
            if not self._is_trim_due:
                self._is_trim_due = True
                loop.call_later(_TRIM_DELAY, self._trim)

    def _trim(self) -> None:
        self._is_trim_due = False
        with suppress(RuntimeError):  # closed
            self._pool.submit(trim)

    def close(self) -> None:
        """Start no further call."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class RequestReader:
    """Authentication and limits of the endpoints that start a turn.

    Args:
        keys: the API keys of the server.
        max_body_size: the limit of a request body in bytes.
        planner: plans the request.
        workers: read large bodies.
    """

    def __init__(self, keys: ApiKeys, max_body_size: int, planner: Planner, workers: Workers) -> None:
        self._keys = keys
        self._max_body_size = max_body_size
        self._planner = planner
        self._workers = workers
        self._has_warned = False

    async def read(self, connection: HttpConnection) -> Plan:
        """Check, read and plan the request of a connection.

        Raises:
            RequestError: the method is not POST, the body exceeds a limit, or a field is invalid.
            AccessError: the API key is missing or wrong.
            LimitError: too many large bodies are being read.
        """
        connection.check_method("POST")
        owner = self._keys.check(connection.headers)
        body = await connection.body(self._max_body_size)
        if len(body) <= _SMALL:
            return self._plan(body, owner)
        return await self._workers.run(self._plan, body, owner)

    def _plan(self, body: bytearray, owner: str) -> Plan:
        request = decode_request(body)
        if request.user_id and len(request.user_id) < _ZAI_USER_ID and not self._has_warned:
            self._has_warned = True
            _LOGGER.warning(
                "a user_id has %d characters: Z.ai's service accepts 6 to 128 (reported once)",
                len(request.user_id),
            )
        return self._planner(request, owner)
