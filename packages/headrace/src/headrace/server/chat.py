"""`POST …/chat/completions`: a request becomes a turn, and the turn an answer."""

import msgspec

from headrace.server.connection import HttpConnection
from headrace.server.keys import ApiKeys
from headrace.server.response_writer import RESUMABLE, ResponseWriter, headers_of
from headrace.server.settings import Settings
from headrace.turns import TurnRegistry
from headrace.wire import decode_request

__all__ = ["ChatEndpoint"]


class ChatEndpoint:
    """The chat endpoint.

    Args:
        turns: starts the turn.
        writer: sends its answer.
        keys: who may call.
        settings: limits, and whether every turn is resumable.
    """

    def __init__(
        self, turns: TurnRegistry, writer: ResponseWriter, keys: ApiKeys, settings: Settings
    ) -> None:
        self._turns = turns
        self._writer = writer
        self._keys = keys
        self._max_body = settings.max_body
        self._is_always_resumable = settings.turns.resume == "always"

    async def __call__(self, connection: HttpConnection) -> None:
        """Answer one request."""
        connection.check_method("POST")
        owner = self._keys.check(connection.headers)
        body = await connection.body(self._max_body)
        request = decode_request(body)
        resumable = self._is_always_resumable or connection.headers.get(RESUMABLE) == "1"
        turn = await self._turns.start(request, body, owner, resumable=resumable)
        if request.stream:
            await self._writer.stream(connection, turn, numbered=resumable)
        elif answer := await self._writer.whole(connection, turn):
            encoded = msgspec.json.encode(answer, order="sorted")
            await connection.send_json(encoded, headers=headers_of(turn, asked=resumable))
