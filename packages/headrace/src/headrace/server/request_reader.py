"""Reading a request that starts a turn: authentication, limits, decoding and planning, for every endpoint.

A body of a few kilobytes is decoded and rendered at once. For a larger one, other clients' streams would have
to wait, so that happens in a thread of a small pool.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import msgspec

from headrace.errors import HeadraceError, LimitError
from headrace.keys import ApiKeys
from headrace.models import ModelRegistry
from headrace.models.size_limits import BODY_BYTES, BYTES_PER_TOKEN
from headrace.reached_limits import report_limit
from headrace.server.connection import HttpConnection
from headrace.server.memory import trim
from headrace.server.response_writer import encode_list
from headrace.turns import Plan, Planner, TurnOutcome
from headrace.wire.expected import show
from headrace.wire.sources import Decoded
from headrace.wire.unknown_fields import similar_field

__all__ = ["Decode", "RequestReader", "Workers", "default_body_size"]

T = TypeVar("T")
Decode = Callable[[bytearray], Decoded]
Prepare = Callable[[bytearray, str], Awaitable[bool]]

_LOGGER: Final = logging.getLogger("headrace.server")

_SMALL: Final = 4096  # bytes; decoding and rendering one takes less than 5 ms, whatever it contains
_THREADS: Final = 2  # they share the GIL with the event loop
_TRIM_DELAY: Final = 0.5  # seconds; a trim is for all calls that end meanwhile
_ZAI_USER_ID: Final = 6  # characters, at least
_MAX_REPORTED: Final = 100  # names of fields
_MAX_AT_ONCE: Final = 8  # of these: to find a similar name takes 0.3 ms each
_LARGE_BODY_BYTES: Final = 32 * 1024 * 1024


def default_body_size(models: ModelRegistry) -> int:
    """Return the bytes of the largest body that a model could answer."""
    if not all(model.context for model in models.models):
        return _LARGE_BODY_BYTES
    bytes = BODY_BYTES + BYTES_PER_TOKEN * max((model.context for model in models.models), default=0)
    has_images = any(model.accepts_images for model in models.models)
    return max(bytes, _LARGE_BODY_BYTES) if has_images else bytes


class Workers:
    """A bounded pool of threads, for what would block the event loop; an observer of turns.

    Args:
        max_waiting: calls that may wait for a thread.
    """

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._pool = ThreadPoolExecutor(_THREADS, "worker")
        self._queued = 0
        self._is_trim_due = False

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in a thread.

        Raises:
            LimitError: 1305, too many calls are waiting.
        """
        if self._queued >= _THREADS + self._max_waiting:
            msg = f"{self._max_waiting} large requests are waiting to be read; try again later"
            report_limit("max_waiting_bodies", msg)
            raise LimitError(msg, code="1305")
        self._queued += 1
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, function, *arguments)
        finally:
            self._queued -= 1
            self.trim_soon()

    def finished(self, outcome: TurnOutcome) -> None:
        """Observe a turn. One whose client left may have had much in its log that was never read."""
        if outcome.kind.is_cancellation:
            self.trim_soon()

    def trim_soon(self) -> None:
        """Return memory that has been freed."""
        if not self._is_trim_due:
            self._is_trim_due = True
            asyncio.get_running_loop().call_later(_TRIM_DELAY, self._trim)

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
        self.max_body_size = max_body_size
        self._planner = planner
        self.workers = workers
        self._reported: set[str] = set()

    async def read(self, connection: HttpConnection, decode: Decode, prepare: Prepare | None = None) -> Plan:
        """Check, read and plan the request of a connection.

        Args:
            connection: from the client.
            decode: decodes the body of its API.
            prepare: finds what the body refers to, before it is decoded; returns whether that is anything.

        Raises:
            RequestError: the method is not POST, the body exceeds a limit, or a field is invalid.
            AccessError: the API key is missing or wrong.
            LimitError: too many large bodies are being read.
        """
        connection.check_method("POST")
        connection.owner = owner = await self._keys.check(connection.headers)
        body = await connection.body(self.max_body_size)
        refers = prepare is not None and await prepare(body, owner)  # to a conversation of any size
        if len(body) <= _SMALL and not refers:
            plan = self._plan(connection, body, decode)
        else:
            plan = await self.workers.run(self._plan, connection, body, decode)
        if (trace := connection.trace) is None:
            return plan
        generation = msgspec.structs.replace(plan.generation, trace=trace)
        return msgspec.structs.replace(plan, generation=generation)

    def _plan(self, connection: HttpConnection, body: bytearray, decode: Decode) -> Plan:
        request, sources, unknown = decode(body)
        if unknown:
            connection.add_headers([(b"x-headrace-ignored", encode_list(unknown))])
        self._report(request.user_id, unknown)
        try:
            plan = self._planner(request, connection.owner)
        except HeadraceError as error:
            sources.rename(error)
            raise
        if not plan.unenforced:
            return plan
        return msgspec.structs.replace(plan, unenforced=tuple(map(sources.place, plan.unenforced)))

    def _report(self, user_id: str | None, unknown: Sequence[str]) -> None:
        """Log once what a client should know of. It can send any number of names, so there are limits."""
        if user_id and len(user_id) < _ZAI_USER_ID and "user_id" not in self._reported:
            self._reported.add("user_id")
            _LOGGER.warning(
                "a user_id has %d characters: Z.ai's service accepts 6 to 128 (reported once)", len(user_id)
            )
        room = min(_MAX_REPORTED - len(self._reported), _MAX_AT_ONCE)
        for name in [name for name in unknown if name not in self._reported][: max(room, 0)]:
            self._reported.add(name)
            hint = f"; did you mean {similar}?" if (similar := similar_field(name)) else ""
            _LOGGER.warning(
                "a request has the unknown field %s, which is ignored%s (reported once)", show(name), hint
            )
