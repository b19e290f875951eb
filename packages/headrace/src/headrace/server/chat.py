"""`POST …/chat/completions`: start a turn and send its answer."""

from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.server.connection import HttpConnection
from headrace.server.request_reader import RequestReader
from headrace.server.response_writer import RESUMABLE, ResponseWriter, headers_of
from headrace.turns import TurnRegistry
from headrace.turns.outcome import DISCONNECTED

__all__ = ["REQUEST_ID", "ChatEndpoint"]

REQUEST_ID: Final = "x-headrace-request-id"
"""A header instead of the field `request_id`, which not every server accepts."""

_MAX_REQUEST_ID: Final = 64


class ChatEndpoint:
    """The chat-completions endpoint.

    Args:
        turns: starts the turn.
        writer: sends its answer.
        reader: reads the request.
        always_resumable: whether turns are resumable without being requested to be.
    """

    def __init__(
        self, turns: TurnRegistry, writer: ResponseWriter, reader: RequestReader, *, always_resumable: bool
    ) -> None:
        self._turns = turns
        self._writer = writer
        self._reader = reader
        self._always_resumable = always_resumable

    async def __call__(self, connection: HttpConnection) -> None:
        plan = await self._reader.read(connection)
        resumable = self._always_resumable or connection.headers.get(RESUMABLE) == "1"
        request_id = _request_id(connection)
        if connection.is_disconnected:  # and its DELETE, if any, would have come too early
            return
        turn = await self._turns.start(plan, resumable=resumable, request_id=request_id)
        connection.request_id = turn.id
        has_response = True
        if plan.generation.request.stream:
            has_response = await self._writer.stream(connection, turn, numbered=resumable)
        elif completion := await self._writer.wait_for_completion(connection, turn):
            encoded = msgspec.json.encode(completion, order="sorted")
            await connection.send_json(encoded, headers=headers_of(turn, resumable=resumable))
        else:
            has_response = False
        if not has_response and not turn.header.request_id:  # no client can know of the turn
            turn.stop(DISCONNECTED)


def _request_id(connection: HttpConnection) -> str:
    """Return the client's own id of a request whose body has none; "" if there is no such header.

    Raises:
        RequestError: 1214, it is too long.
    """
    value = connection.headers.get(REQUEST_ID, "")
    if len(value) > _MAX_REQUEST_ID:
        msg = f"{REQUEST_ID} has {len(value)} characters; it may have {_MAX_REQUEST_ID}"
        raise RequestError(msg)
    return value
