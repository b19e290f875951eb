"""Asynchronous completions: `POST …/async/chat/completions` begins, `GET …/async-result/{id}` asks."""

from typing import Any

import msgspec

from headrace.errors import HeadraceError
from headrace.server.connection import HttpConnection
from headrace.server.keys import ApiKeys
from headrace.server.response_writer import ResponseWriter, headers_of
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

    def __init__(self, turns: TurnRegistry, keys: ApiKeys, max_body: int) -> None:
        self._turns = turns
        self._keys = keys
        self._max_body = max_body

    async def __call__(self, connection: HttpConnection) -> None:
        """Answer one request."""
        connection.check_method("POST")
        owner = self._keys.check(connection.headers)
        body = await connection.body(self._max_body)
        turn = await self._turns.start(decode_request(body), body, owner, detached=True)
        await _send(connection, turn, {"task_status": "PROCESSING"})


class ResultEndpoint:
    """Tells how far a turn is; it is the fold of its log.

    Args:
        turns: finds the turn.
        writer: folds it.
        keys: whose turns they are.
    """

    def __init__(self, turns: TurnRegistry, writer: ResponseWriter, keys: ApiKeys) -> None:
        self._turns = turns
        self._writer = writer
        self._keys = keys

    async def __call__(self, connection: HttpConnection) -> None:
        """Answer one request."""
        connection.check_method("GET")
        owner = self._keys.check(connection.headers)
        turn = await self._turns.find(connection.path.rpartition("/")[2], owner)
        if not turn.log.is_finished:
            await _send(connection, turn, {"task_status": "PROCESSING"})
            return
        if not turn.is_durable:
            msg = f"turn {turn.id} has ended, but the turn store does not know it yet"
            raise StoreError(msg)
        try:
            answer = msgspec.to_builtins(self._writer.finished(turn))
        except HeadraceError as error:
            why = {"code": error.code, "message": error.message}
            await _send(connection, turn, {"task_status": "FAIL", "error": why})
        else:
            await _send(connection, turn, {**answer, "task_status": "SUCCESS"})


async def _send(connection: HttpConnection, turn: Turn, state: dict[str, Any]) -> None:
    named = {
        "id": turn.id,
        "request_id": turn.header.request_id or turn.id,
        "model": turn.request.model,
    }
    await connection.send_json(msgspec.json.encode({**named, **state}), headers=headers_of(turn, asked=False))
