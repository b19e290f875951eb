"""Asynchronous completions: `POST …/async/chat/completions` begins, `GET …/async-result/{id}` asks."""

from typing import Any

import msgspec

from headrace.errors import HeadraceError
from headrace.server.answer import Answerer, headers_of
from headrace.server.exchange import Exchange
from headrace.server.keys import KeyRing
from headrace.turns import Turn, TurnRegistry
from headrace.turns.store import StoreError
from headrace.wire import decode_request

__all__ = ["AsyncEndpoint", "ResultEndpoint"]


class AsyncEndpoint:
    """Begins a turn that nobody needs to read.

    Args:
        turns: starts the turn.
        keys: who may call.
        max_body: bytes of a request.
    """

    def __init__(self, turns: TurnRegistry, keys: KeyRing, max_body: int) -> None:
        self._turns = turns
        self._keys = keys
        self._max_body = max_body

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        exchange.check_method("POST")
        owner = self._keys.check(exchange.headers)
        body = await exchange.body(self._max_body)
        turn = await self._turns.start(decode_request(body), body, owner, detached=True)
        await _send(exchange, turn, {"task_status": "PROCESSING"})


class ResultEndpoint:
    """Tells how far a turn is; it is the fold of its log.

    Args:
        turns: finds the turn.
        answerer: folds it.
        keys: whose turns they are.
    """

    def __init__(self, turns: TurnRegistry, answerer: Answerer, keys: KeyRing) -> None:
        self._turns = turns
        self._answerer = answerer
        self._keys = keys

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        exchange.check_method("GET")
        owner = self._keys.check(exchange.headers)
        turn = await self._turns.find(exchange.path.rpartition("/")[2], owner)
        if not turn.log.is_finished:
            await _send(exchange, turn, {"task_status": "PROCESSING"})
            return
        if not turn.is_durable:
            msg = f"turn {turn.id} has ended, but the turn store does not know it yet"
            raise StoreError(msg)
        try:
            answer = msgspec.to_builtins(self._answerer.finished(turn))
        except HeadraceError as error:
            why = {"code": error.code, "message": error.message}
            await _send(exchange, turn, {"task_status": "FAIL", "error": why})
        else:
            await _send(exchange, turn, {**answer, "task_status": "SUCCESS"})


async def _send(exchange: Exchange, turn: Turn, state: dict[str, Any]) -> None:
    named = {
        "id": turn.id,
        "request_id": turn.header.request_id or turn.id,
        "model": turn.request.model,
    }
    await exchange.send_json(msgspec.json.encode({**named, **state}), headers=headers_of(turn, asked=False))
