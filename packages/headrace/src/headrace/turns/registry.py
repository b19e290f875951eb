"""The turns of this process, over a store that other processes may share."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Final, NamedTuple

import msgspec

from headrace.errors import LimitError, RequestError
from headrace.turns.outcome import TurnObserver, TurnOutcome
from headrace.turns.plan import Plan, Planner
from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, TurnHeader, TurnStore, decoding
from headrace.turns.turn import Turn
from headrace.wire import ChatRequest, decode_request, encode_request

__all__ = ["TurnRegistry", "new_turn_id"]

_LOGGER = logging.getLogger("headrace.turns")
_BEIJING: Final = 8 * 3600  # seconds ahead of UTC
_MAX_UNCERTAIN: Final = 100  # turns; each costs a load from the store per heartbeat
_CLOSE_TIMEOUT: Final = 2.0  # seconds to save unsaved events at shutdown


def new_turn_id(now: float) -> str:
    """Generate an id like Z.ai's: `yyyyMMddHHmmss` in UTC+8, and 16 hexadecimal digits."""
    return _timestamp(int(now) + _BEIJING) + secrets.token_hex(8)


@lru_cache(maxsize=1)
def _timestamp(seconds: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))


class _NewTurn(NamedTuple):
    """A turn that is about to start."""

    header: TurnHeader
    plan: Plan

    @property
    def request(self) -> ChatRequest:
        return self.plan.generation.request

    @property
    def body(self) -> bytes:
        return encode_request(self.request)


class TurnRegistry:
    """Starts turns and finds them again, within one event loop.

    Args:
        store: where turns are kept.
        planner: plans how to serve a request whose producer has died.
        settings: which turns are kept, and for how long.
        observers: receive the outcome of every turn that this process ends.
    """

    def __init__(
        self,
        store: TurnStore,
        planner: Planner,
        settings: TurnSettings,
        observers: Sequence[TurnObserver] = (),
    ) -> None:
        self._store = store
        self.planner = planner
        self._settings = settings
        self._observers = observers
        self._turns: dict[str, Turn] = {}
        self._detached: Counter[str] = Counter()  # unfinished asynchronous turns by owner
        self._uncertain: dict[str, str] = {}  # turns that may have no producer, and their owners
        self._ended: list[str] = []  # asynchronous turns, since the previous heartbeat
        self._is_closing = False
        self._is_alive = False  # by its heartbeat
        self._heartbeat: asyncio.Task[None] | None = None
        self._first_heartbeat: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Continue asynchronous turns of dead processes from now on, not only from the first request on."""
        if self._store.outlives_process:
            self._heartbeat = asyncio.create_task(self._run_heartbeat(), name="heartbeat")

    async def start(
        self, plan: Plan, *, resumable: bool = False, detached: bool = False, request_id: str = ""
    ) -> Turn:
        """Start a turn, or attach to the one with the same `request_id`.

        Args:
            plan: the request and its owner, and how to serve it.
            resumable: the caller has requested a resumable turn.
            request_id: the caller's, if the request itself has none.
            detached: the turn needs no reader.

        Raises:
            RequestError: 1231, the `request_id` is in use by a running turn.
            LimitError: 1302 or 1305, too many asynchronous turns are unfinished.
            StoreError: the store is unavailable.
        """
        if not detached:
            return await self._start(plan, resumable=resumable, request_id=request_id)
        owner = plan.generation.owner
        self._check_detached(owner)
        self._detached[owner] += 1  # until the turn itself is counted
        try:
            return await self._start(plan, detached=True)
        finally:
            self._detached[owner] -= 1

    async def _start(
        self, plan: Plan, *, resumable: bool = False, detached: bool = False, request_id: str = ""
    ) -> Turn:
        now = time.time()
        header = TurnHeader(
            id=new_turn_id(now),
            owner=plan.generation.owner,
            created=int(now),
            request_id=plan.generation.request.request_id or request_id,
            detached=detached,
        )
        new = _NewTurn(header, plan)
        always = self._settings.resume == "always"
        if not (resumable or detached or header.request_id or always):
            return self._produce(new, None)
        try:
            await self._start_heartbeat()
            id = await self._create(new)
            if id != header.id:
                return await self._attach(id, new)
        except StoreError:
            if self._settings.on_store_error == "fail" or detached:
                raise
            return self._produce(new, None)
        return self._produce(new, self._store)

    async def find(self, id: str, owner: str) -> Turn:
        """Return a turn of this owner, up to date.

        Args:
            id: of the turn, or its `request_id`.
            owner: id of the caller's API key.

        Raises:
            RequestError: 404, there is no such turn.
            GoneError: 410, the turn's log was evicted.
            StoreError: the store is unavailable.
        """
        while True:
            if self._is_closing:
                msg = "the server is shutting down; send the request again"
                raise StoreError(msg)
            turn = self._turns.get(id) or await self._load(id, owner)
            if turn.header.owner != owner:
                raise _unknown(id)
            await turn.catch_up()
            if not turn.is_detached:
                return turn

    async def close(self) -> None:
        """Leave all turns to the other processes."""
        self._is_closing = True
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            await asyncio.wait([self._heartbeat])
        await asyncio.gather(*(turn.close(_CLOSE_TIMEOUT) for turn in self._turns.values()))
        self._turns.clear()
        await self._store.close()

    def _check_detached(self, owner: str) -> None:
        own, total = self._detached[owner], self._detached.total()
        if owner and own >= self._settings.max_async_per_key:
            msg = f"{own} asynchronous requests of this key are unfinished; wait for their results"
            raise LimitError(msg, code="1302")
        if total >= self._settings.max_async:
            msg = f"{total} asynchronous requests are unfinished; try again later"
            raise LimitError(msg, code="1305")

    def _turn(self, header: TurnHeader, request: ChatRequest, store: TurnStore | None) -> Turn:
        turn = Turn(
            header,
            request,
            partial(self.planner, request, header.owner),
            self._settings,
            store=store,
            on_released=self._forget,
            on_finished=self._notify_observers,
        )
        if store is not None:
            self._turns[turn.id] = turn
            if header.detached:
                self._detached[header.owner] += 1
        return turn

    def _produce(self, new: _NewTurn, store: TurnStore | None) -> Turn:
        turn = self._turn(new.header, new.request, store)
        turn.produce(new.plan)
        return turn

    async def _create(self, new: _NewTurn) -> str:
        try:
            return await self._store.create(new.header, new.body)
        except StoreError:
            if len(self._uncertain) < _MAX_UNCERTAIN:
                self._uncertain[new.header.id] = new.header.owner
            raise

    async def _attach(self, id: str, new: _NewTurn) -> Turn:
        """Return the turn with the same `request_id`; replace it if it has failed or its request differs."""
        header = new.header
        while id != header.id:
            try:
                turn = await self.find(id, header.owner)
            except RequestError:  # evicted
                id = await self._store.create(header, new.body, replaces=id)
                continue
            is_same = _without_transport(turn.request) == _without_transport(new.request)
            may_attach = (
                self._settings.duplicates == "attach" or turn.log.is_finished or not new.request.request_id
            )
            if may_attach and is_same and not turn.log.is_broken:
                return turn
            if not turn.log.is_finished:
                what = "this request" if is_same else "another request"
                msg = (
                    f'request_id: {what} is running as "{header.request_id}"; wait for it, or use another id'
                )
                raise RequestError(msg, code="1231")
            id = await self._store.create(header, new.body, replaces=id)
        return self._produce(new, self._store)

    async def _load(self, id: str, owner: str) -> Turn:
        await self._start_heartbeat()
        stored = await self._store.load(id)
        if stored is None or stored.header.owner != owner:
            named = await self._store.find(owner, id)
            if named is None or named == id:
                raise _unknown(id)
            return self._turns.get(named) or await self._load(named, owner)
        if stored.evicted:
            raise GoneError(id, stored.evicted)
        with decoding(id):
            request = decode_request(stored.body)
        if id not in self._turns:  # no concurrent call was faster
            turn = self._turn(stored.header, request, self._store)
            turn.follow(stored.tail)
            return turn  # and forgotten already if it has ended
        return self._turns[id]

    def _forget(self, turn: Turn) -> None:
        header = turn.header
        if self._turns.pop(turn.id, None) and header.detached:
            self._detached[header.owner] -= 1
            if turn.log.is_finished:
                self._ended.append(turn.id)

    def _notify_observers(self, outcome: TurnOutcome) -> None:
        loop = asyncio.get_running_loop()
        for observer in self._observers:
            loop.call_soon(observer.finished, outcome)  # so that an error in one does not affect the others

    async def _start_heartbeat(self) -> None:
        """Start the heartbeat with the first turn that needs the store."""
        if not self._is_alive:
            if self._first_heartbeat is None:  # one for all requests that arrive together
                self._first_heartbeat = asyncio.create_task(self._store.heartbeat(), name="first heartbeat")
            try:
                await asyncio.shield(self._first_heartbeat)
            finally:
                self._first_heartbeat = None
            self._is_alive = True
            self._heartbeat = self._heartbeat or asyncio.create_task(self._run_heartbeat(), name="heartbeat")

    async def _run_heartbeat(self) -> None:
        is_failing = False
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            ended, self._ended = self._ended, []
            try:
                await self._store.heartbeat(ended)
                ended = []
                self._is_alive = True
                for turn in list(self._turns.values()):
                    turn.check_fence()
                self._uncertain |= {header.id: header.owner for header in await self._store.stranded()}
                await self._resolve_uncertain()
                is_failing = False
            except StoreError as error:
                self._ended += ended
                if not is_failing:
                    _LOGGER.warning("%s", error.message)
                is_failing = True

    async def _resolve_uncertain(self) -> None:
        """Produce turns that were created although `create` failed, or whose producer is dead."""
        for id, owner in list(self._uncertain.items()):
            with contextlib.suppress(RequestError):
                await self.find(id, owner)
            del self._uncertain[id]


def _without_transport(request: ChatRequest) -> ChatRequest:
    """Return the request without the fields that only affect how the answer is sent."""
    return msgspec.structs.replace(request, stream=False, stream_options=None, tool_stream=False)


def _unknown(id: str) -> RequestError:
    msg = (
        f'there is no turn "{id}" for this key; only turns requested with `X-Headrace-Resumable: 1`,'
        " with a request_id, or asynchronously can be read again"
    )
    return RequestError(msg, status=404)
