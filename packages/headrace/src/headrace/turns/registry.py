"""The turns of this process, over a store that other processes may share."""

import asyncio
import contextlib
import logging
import time
from typing import Final, NamedTuple

import msgspec

from headrace.errors import RequestError
from headrace.turns.settings import TurnSettings
from headrace.turns.store import GoneError, StoreError, TurnHeader, TurnStore
from headrace.turns.turn import Plan, Planned, Turn, new_turn_id
from headrace.wire import ChatRequest, decode_request

__all__ = ["TurnRegistry"]

_LOGGER = logging.getLogger("headrace.turns")
_MOST_UNSURE: Final = 100  # turns; each costs a look at the store between two beats
_CLOSING: Final = 2.0  # seconds for saving what has been said, when the process goes


class _New(NamedTuple):
    """A turn that is to begin."""

    header: TurnHeader
    request: ChatRequest
    body: bytes
    planned: Planned


class TurnRegistry:
    """Starts turns, and finds them again. Belongs to one event loop.

    Args:
        store: where turns are kept.
        plan: tells what a request runs on.
        settings: how long turns live.
    """

    def __init__(self, store: TurnStore, plan: Plan, settings: TurnSettings) -> None:
        self._store = store
        self._plan = plan
        self._settings = settings
        self._turns: dict[str, Turn] = {}
        self._unsure: dict[str, str] = {}  # turns that may have been made, and their owners
        self._is_closing = False
        self._heart: asyncio.Task[None] | None = None

    async def start(
        self,
        request: ChatRequest,
        body: bytes,
        owner: str,
        *,
        resumable: bool = False,
        detached: bool = False,
    ) -> Turn:
        """A new turn; or the same again, if the `request_id` says so.

        Args:
            request: what is to be answered.
            body: the request as it came.
            owner: the id of the caller's key.
            resumable: the caller asks for it.
            detached: nobody needs to read it.

        Raises:
            RequestError: it cannot be served; 1231: another request with this `request_id` is running.
            StoreError: the store cannot be reached.
        """
        planned = self._plan(request)  # refuses what cannot be served, before anything is kept
        now = time.time()
        header = TurnHeader(
            id=new_turn_id(now),
            owner=owner,
            created=int(now),
            request_id=request.request_id or "",
            detached=detached,
        )
        new = _New(header, request, body, planned)
        always = self._settings.resume == "always"
        if not (resumable or detached or header.request_id or always):
            return self._produce(new, None)
        try:
            await self._open()
            id = await self._create(new)
            if id != header.id:
                return await self._join(id, new)
        except StoreError:
            if self._settings.on_store_error == "fail" or detached:
                raise
            return self._produce(new, None)
        return self._produce(new, self._store)

    async def find(self, id: str, owner: str) -> Turn:
        """A turn of this owner, up to date.

        Raises:
            RequestError: 404, there is no such turn.
            GoneError: 410, there was.
            StoreError: the store cannot be reached.
        """
        while True:
            if self._is_closing:
                msg = "the server is being stopped; ask again"
                raise StoreError(msg)
            turn = self._turns.get(id) or await self._load(id, owner)
            if turn.header.owner != owner:
                raise _unknown(id)
            await turn.catch_up()
            if not turn.is_closed:
                return turn

    async def close(self) -> None:
        """Leave every turn to the other processes."""
        self._is_closing = True
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait([self._heart])
        await asyncio.gather(*(turn.close(_CLOSING) for turn in self._turns.values()))
        self._turns.clear()
        await self._store.close()

    def _produce(self, new: _New, store: TurnStore | None) -> Turn:
        turn = Turn(new.header, new.request, self._plan, self._settings, store=store, on_over=self._forget)
        if store is not None:
            self._turns[turn.id] = turn
        turn.produce(new.planned)
        return turn

    async def _create(self, new: _New) -> str:
        try:
            return await self._store.create(new.header, new.body)
        except StoreError:
            if len(self._unsure) < _MOST_UNSURE:
                self._unsure[new.header.id] = new.header.owner
            raise

    async def _join(self, id: str, new: _New) -> Turn:
        """The turn that has the same `request_id`; a new one in its place, if that is over or another."""
        header = new.header
        joins = self._settings.duplicates == "attach"
        while id != header.id:
            try:
                turn = await self.find(id, header.owner)
            except RequestError:  # it is gone
                id = await self._store.create(header, new.body, replaces=id)
                continue
            is_same = _question(turn.request) == _question(new.request)
            if joins and is_same and not turn.log.is_broken:
                return turn
            if not turn.log.is_finished:
                what = "this request" if is_same else "another request"
                msg = (
                    f'request_id: {what} is running as "{header.request_id}"; wait for it, or take another id'
                )
                raise RequestError(msg, code="1231")
            id = await self._store.create(header, new.body, replaces=id)
        return self._produce(new, self._store)

    async def _load(self, id: str, owner: str) -> Turn:
        await self._open()
        stored = await self._store.load(id)
        if stored is None or stored.header.owner != owner:
            raise _unknown(id)
        if stored.gone:
            raise GoneError(id, stored.gone)
        if id not in self._turns:  # or another caller was faster
            request = decode_request(stored.body)
            turn = Turn(
                stored.header, request, self._plan, self._settings, store=self._store, on_over=self._forget
            )
            self._turns[id] = turn
            turn.follow(stored.tail)
            return turn
        return self._turns[id]

    def _forget(self, turn: Turn) -> None:
        self._turns.pop(turn.id, None)

    async def _open(self) -> None:
        """From the first turn on that needs the store, this process says that it lives."""
        if self._heart is None:
            await self._store.beat()
            self._heart = self._heart or asyncio.create_task(self._beat(), name="heartbeat")

    async def _beat(self) -> None:
        is_failing = False
        while True:
            await asyncio.sleep(self._settings.lease / 3)
            try:
                await self._store.beat()
                for turn in list(self._turns.values()):
                    turn.check_fence()
                await self._adopt()
                is_failing = False
            except StoreError as error:
                if not is_failing:
                    _LOGGER.warning("%s", error.message)
                is_failing = True

    async def _adopt(self) -> None:
        """A turn whose beginning failed may be in the store; somebody else may wait for it there."""
        for id, owner in list(self._unsure.items()):
            with contextlib.suppress(RequestError):
                await self.find(id, owner)
            del self._unsure[id]


def _question(request: ChatRequest) -> ChatRequest:
    """What is asked, however the answer shall come."""
    return msgspec.structs.replace(request, stream=False, stream_options=None, tool_stream=False)


def _unknown(id: str) -> RequestError:
    msg = (
        f'there is no turn "{id}" of yours; only turns that were asked for with `X-Headrace-Resumable: 1`,'
        " with a request_id, or asynchronously can be read again"
    )
    return RequestError(msg, status=404)
