"""The turns of this process, over a store that other processes may share."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from headrace.errors import LimitError, RequestError
from headrace.reached_limits import report_limit
from headrace.turns.handover import can_hand_over, hand_over, shutting_down
from headrace.turns.new_turn import NewTurn, new_turn_id
from headrace.turns.observers import Observers, ProducerObserver
from headrace.turns.outcome import TurnObserver
from headrace.turns.plan import Plan, Planner
from headrace.turns.settings import TurnSettings
from headrace.turns.shard import Shard
from headrace.turns.shards import Shards
from headrace.turns.store import GoneError, StoreError, TurnHeader, TurnStore, decoding
from headrace.turns.turn import Turn
from headrace.wire import ChatRequest, decode_stored_request
from headrace.wire.expected import show

__all__ = ["TurnRegistry"]

_MAX_UNCERTAIN: Final = 100  # turns; each costs a load from the store per heartbeat
_CLOSE_TIMEOUT: Final = 2.0  # seconds to save unsaved events at shutdown


class TurnRegistry:
    """Starts turns and finds them again, within one event loop.

    Args:
        store: where turns are kept, perhaps in several shards.
        planner: plans how to serve a request whose producer has died.
        settings: which turns are kept, and for how long.
        observers: receive the outcome of every turn that this process ends.
        producer_observers: receive the start and the end of everything that this process produces.
    """

    def __init__(
        self,
        store: TurnStore | Shards,
        planner: Planner,
        settings: TurnSettings,
        observers: Sequence[TurnObserver] = (),
        producer_observers: Sequence[ProducerObserver] = (),
    ) -> None:
        self._shards = Shards.of(store)
        self.planner = planner
        self._settings = settings
        self._observers = Observers(observers, producer_observers)
        self._turns: dict[str, Turn] = {}
        self._detached: Counter[str] = Counter()  # unfinished asynchronous turns by owner
        self._is_closing = False
        self._is_leaving = False  # other processes take over what is resumable

    @property
    def store_errors(self) -> Sequence[str]:
        """Why each shard is unavailable, as far as its heartbeat knows; "" if it is not."""
        return [shard.failure for shard in self._shards]

    @property
    def store_error(self) -> str:
        """Why no shard can create a turn, as far as the heartbeats know; "" if one can."""
        return self._shards.failure

    def open(self) -> None:
        """Continue asynchronous turns of dead processes from now on, not only from the first request on."""
        if self._shards.outlive_process:
            self._start_heartbeats()

    async def start(
        self,
        plan: Plan,
        *,
        resumable: bool = False,
        detached: bool = False,
        request_id: str = "",
        linger: float | None = None,
    ) -> Turn:
        """Start a turn, or attach to the one with the same `request_id`.

        Args:
            plan: the request and its owner, and how to serve it.
            resumable: the caller has requested a resumable turn.
            request_id: the caller's, if the request itself has none.
            detached: the turn needs no reader.
            linger: seconds for which it continues without a reader, at most those of the settings; without
                effect if it needs none.

        Raises:
            RequestError: 1231, the `request_id` is in use by a running turn.
            LimitError: 1302 or 1305, too many asynchronous turns are unfinished.
            StoreError: the store is unavailable.
        """
        if not detached:
            return await self._start(plan, resumable=resumable, request_id=request_id, linger=linger)
        owner = plan.generation.owner
        self._check_detached(owner)
        self._detached[owner] += 1  # until the turn itself is counted
        try:
            return await self._start(plan, detached=True, request_id=request_id)
        finally:
            self._detached[owner] -= 1

    async def _start(
        self,
        plan: Plan,
        *,
        resumable: bool = False,
        detached: bool = False,
        request_id: str = "",
        linger: float | None = None,
    ) -> Turn:
        now = time.time()
        owner, request_id = plan.generation.owner, plan.generation.request.request_id or request_id
        header = TurnHeader(
            id=new_turn_id(now, owner, request_id),
            owner=owner,
            created=int(now),
            request_id=request_id,
            detached=detached,
            linger=None if linger is None else min(linger, self._settings.max_linger),
            trace=plan.generation.trace,
        )
        new = NewTurn(header, plan)
        always = self._settings.resume == "always"
        if not (resumable or detached or header.request_id or always):
            return self._produce(new, None)
        try:
            return await self._create(new)
        except StoreError:
            if self._settings.on_store_error == "fail" or detached:
                raise
            return self._produce(new, None)

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
                raise shutting_down()
            turn = self._turns.get(id) or await self._load(id, owner)
            if turn.header.owner != owner:
                raise _unknown(id)
            await turn.catch_up()
            if not turn.is_detached:
                return turn

    async def delete(self, turn: Turn) -> None:
        """Delete the log of a turn that has ended; then it is gone, as after its retention time.

        Raises:
            StoreError: the store is unavailable.
        """
        self._forget(turn)
        if turn.store is not None:
            await turn.store.delete(turn.id)

    async def running(self, owner: str) -> Sequence[TurnHeader]:
        """Return the unfinished turns of this owner in any process, the oldest first.

        Raises:
            StoreError: the store, or one of its shards, is unavailable.
        """
        return await self._shards.running(owner)

    async def hand_over(self) -> None:
        """Leave to the other processes what they can continue: answers, and the streams of their clients."""
        if not self._shards.outlive_process:
            return
        self._is_leaving = True
        turns = [turn for turn in self._turns.values() if can_hand_over(turn)]
        for turn in turns:
            self._forget(turn)
        await asyncio.gather(*(hand_over(turn, _CLOSE_TIMEOUT) for turn in turns))

    def keep(self) -> None:
        """Let all turns end in this process: the store ends with it, so no other one can continue them."""
        for shard in self._shards:
            shard.store.outlives_process = False

    async def close(self) -> None:
        """Leave all turns to the other processes."""
        self._is_closing = True
        await asyncio.gather(*(shard.stop() for shard in self._shards))
        await asyncio.gather(*(turn.close(_CLOSE_TIMEOUT) for turn in self._turns.values()))
        self._turns.clear()
        await self._shards.close()

    def _check_detached(self, owner: str) -> None:
        own, total = self._detached[owner], self._detached.total()
        if owner and own >= self._settings.max_async_per_key:
            msg = f"{own} asynchronous requests of this key are unfinished; wait for their results"
            report_limit("max_async_per_key", msg)
            raise LimitError(msg, code="1302")
        if total >= self._settings.max_async:
            msg = f"{total} asynchronous requests are unfinished; try again later"
            report_limit("max_async", msg)
            raise LimitError(msg, code="1305")

    def _turn(self, header: TurnHeader, request: ChatRequest, store: TurnStore | None) -> Turn:
        turn = Turn(
            header,
            request,
            partial(self.planner, request, header.owner),
            self._settings,
            store=store,
            on_released=self._forget,
            observer=self._observers,
        )
        if store is not None:
            self._turns[turn.id] = turn
            if header.detached:
                self._detached[header.owner] += 1
        return turn

    def _produce(self, new: NewTurn, store: TurnStore | None) -> Turn:
        turn = self._turn(new.header, new.request, store)
        turn.produce(new.plan)
        return turn

    async def _create(self, new: NewTurn) -> Turn:
        """Start a turn in the first shard that is available, or attach to that with the same `request_id`.

        A turn with this `request_id` may be running in a shard that is down, so that shard is waited for as
        long as its turns are. A shard may have created the turn although it has reported a failure: hence a
        new id in the next one.
        """
        header = new.header
        self._start_heartbeats()
        is_named = bool(header.request_id) and len(self._shards) > 1
        if is_named and (found := await self._find_elsewhere(header)):
            return await self._attach(*found, new)
        failure: StoreError | None = None
        for shard in self._shards.for_new(header.id, or_down=is_named):
            while not is_named or await shard.is_up(self._settings.store_retry_timeout):
                try:
                    await shard.beat_first()
                    id = await self._create_in(shard, new)
                except StoreError as error:
                    failure = error
                    if not is_named:
                        break
                    shard.fail(error)
                else:
                    return await self._attach(id, shard, new)
            new = new.renamed()
        raise failure or StoreError(self._shards.failure, public=self._shards.failure)

    async def _create_in(self, shard: Shard, new: NewTurn, *, replaces: str = "") -> str:
        """Create a turn in the store. After a failure, heartbeats look for it: it may have been created."""
        try:
            return await shard.store.create(new.header, new.body, replaces=replaces)
        except (StoreError, asyncio.CancelledError):  # an ASGI server may cancel when the client disconnects
            if len(shard.uncertain) < _MAX_UNCERTAIN:
                shard.uncertain[new.header.id] = new.header.owner
            raise

    async def _find_elsewhere(self, header: TurnHeader) -> tuple[str, Shard] | None:
        """Find the turn with the same `request_id` in any shard: their list may have changed."""
        with contextlib.suppress(StoreError):  # a shard that is down keeps no request out of the others
            return await self._shards.find(header.owner, header.request_id)
        return None

    async def _attach(self, id: str, shard: Shard, new: NewTurn) -> Turn:
        """Return the turn with the same `request_id`; replace it if it has failed or its request differs."""
        header = new.header
        while id != header.id:
            try:
                turn = await self.find(id, header.owner)
            except RequestError:  # evicted
                id = await self._create_in(shard, new, replaces=id)
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
            id = await self._create_in(shard, new, replaces=id)
        return self._produce(new, shard.store)

    async def _load(self, id: str, owner: str) -> Turn:
        self._start_heartbeats()
        found, failure = None, None
        try:
            found = await self._shards.load(id)
        except StoreError as error:  # it may be a `request_id`, and the turn in another shard
            failure = error
        if found is None or found.turn.header.owner != owner:
            named = await self._shards.find(owner, id)
            if named is None or named[0] == id:
                raise failure or _unknown(id)
            return self._turns.get(named[0]) or await self._load(named[0], owner)
        stored, shard = found
        if stored.evicted:
            raise GoneError(id, stored.evicted)
        with decoding(id):
            request = decode_stored_request(stored.body)
        if id not in self._turns:  # no concurrent call was faster
            if self._is_leaving:
                raise shutting_down()
            turn = self._turn(stored.header, request, shard.store)
            turn.follow(stored.tail)
            return turn  # and forgotten already if it has ended
        return self._turns[id]

    def _forget(self, turn: Turn) -> None:
        header = turn.header
        if self._turns.pop(turn.id, None) and header.detached:
            self._detached[header.owner] -= 1
            if turn.log.is_finished:
                self._shards.shard_of(turn.store).ended.append(turn.id)

    def _start_heartbeats(self) -> None:
        """Start the heartbeats, at the latest with the first turn that needs a store."""
        for shard in self._shards:
            shard.open(self._settings.lease / 3, self._on_beat)

    async def _on_beat(self, shard: Shard) -> None:
        """Check the turns of a shard, and produce those without a producer."""
        for turn in list(self._turns.values()):
            if turn.store is shard.store:
                turn.check_fence()
        if not self._is_leaving:
            shard.uncertain |= {header.id: header.owner for header in await shard.store.stranded()}
            for id, owner in list(shard.uncertain.items()):
                with contextlib.suppress(RequestError, LimitError):
                    try:
                        await self.find(id, owner)
                    except StoreError:  # perhaps of another shard, which concerns no turn of this one
                        continue
                del shard.uncertain[id]


def _without_transport(request: ChatRequest) -> ChatRequest:
    """Return the request without the fields that only affect how the answer is sent."""
    return msgspec.structs.replace(
        request,
        stream=False,
        tool_stream=False,
        answer_options={},
        counts_prompt=False,
    )


def _unknown(id: str) -> RequestError:
    msg = (
        f"there is no turn {show(id)} for this key; only turns requested with `X-Headrace-Resumable: 1`,"
        " with a request_id, or asynchronously can be read again"
    )
    return RequestError(msg, status=404)
