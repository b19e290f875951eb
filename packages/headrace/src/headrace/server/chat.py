"""`POST …/chat/completions`: start a turn and send its answer."""

import msgspec

from headrace.server.connection import HttpConnection
from headrace.server.request_reader import RequestReader
from headrace.server.response_writer import RESUMABLE, ResponseWriter, headers_of
from headrace.turns import TurnRegistry

__all__ = ["ChatEndpoint"]


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
        turn = await self._turns.start(plan, resumable=resumable)
        connection.request_id = turn.id
        if plan.generation.request.stream:
            await self._writer.stream(connection, turn, numbered=resumable)
        elif completion := await self._writer.wait_for_completion(connection, turn):
            encoded = msgspec.json.encode(completion, order="sorted")
            await connection.send_json(encoded, headers=headers_of(turn, resumable=resumable))
