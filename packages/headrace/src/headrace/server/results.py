"""Asynchronous completions: `POST …/async/chat/completions` starts, `GET …/async-result/{id}` polls."""

from collections.abc import Iterable
from typing import Any

import msgspec

from headrace.errors import HeadraceError
from headrace.keys import ApiKeys
from headrace.server.answers import start_turn
from headrace.server.connection import Header, HttpConnection, retry_headers
from headrace.server.request_reader import Decode, RequestReader
from headrace.server.response_writer import ResponseWriter, headers_of
from headrace.turns import Turn, TurnRegistry
from headrace.turns.store import StoreError

__all__ = ["AsyncEndpoint", "ResultEndpoint"]


class AsyncEndpoint:
    """The endpoint that starts a detached turn: one that runs to its end without readers.

    Args:
        turns: starts the turn.
        decode: decodes the request.
        reader: reads it.
    """

    def __init__(self, turns: TurnRegistry, decode: Decode, reader: RequestReader) -> None:
        self._turns = turns
        self._decode = decode
        self._reader = reader

    async def __call__(self, connection: HttpConnection) -> None:
        plan = await self._reader.read(connection, self._decode)
        turn = await start_turn(self._turns, connection, plan, resumable=True, can_resume=True, detached=True)
        if turn is not None:
            await _send(connection, turn, {"task_status": "PROCESSING"})


class ResultEndpoint:
    """The endpoint that returns the state of a turn, and its completion when it has ended.

    Args:
        turns: finds the turn.
        writer: folds its log into the completion.
        keys: authenticate the owner of the turn.
    """

    def __init__(self, turns: TurnRegistry, writer: ResponseWriter, keys: ApiKeys) -> None:
        self._turns = turns
        self._writer = writer
        self._keys = keys

    async def __call__(self, connection: HttpConnection) -> None:
        connection.check_method("GET")
        connection.owner = owner = await self._keys.check(connection.headers)
        turn = await self._turns.find(connection.path.rpartition("/")[2], owner)
        if not turn.log.is_finished:
            await _send(connection, turn, {"task_status": "PROCESSING"})
            return
        if not turn.log.is_saved:
            msg = f"turn {turn.id} has ended, but its end is not in the turn store yet; try again"
            raise StoreError(msg)
        try:
            completion = msgspec.to_builtins(self._writer.answer(turn))
        except HeadraceError as error:
            reason = {"code": error.code, "message": error.public}
            await _send(connection, turn, {"task_status": "FAIL", "error": reason}, retry_headers(error))
        else:
            await _send(connection, turn, {**completion, "task_status": "SUCCESS"})


async def _send(
    connection: HttpConnection, turn: Turn, state: dict[str, Any], headers: Iterable[Header] = ()
) -> None:
    connection.turn = turn.id
    task = {
        "id": turn.id,
        "request_id": turn.header.request_id or turn.id,
        "model": turn.request.model,
    }
    headers = [*headers_of(turn, resumable=False), *headers]
    await connection.send_json(msgspec.json.encode({**task, **state}), headers=headers)
