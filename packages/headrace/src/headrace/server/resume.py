"""`…/chat/completions/{id}`: GET resumes the stream of a turn, DELETE cancels the turn."""

from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.server.connection import HttpConnection
from headrace.server.keys import ApiKeys
from headrace.server.response_writer import Position, ResponseWriter, headers_of
from headrace.turns import TurnRegistry

__all__ = ["ResumeEndpoint"]

_MAX_DIGITS: Final = 18


class ResumeEndpoint:
    """The endpoint that resumes and cancels turns.

    Args:
        turns: finds the turn.
        writer: sends the rest of its answer.
        keys: authenticate the owner of the turn.
    """

    def __init__(self, turns: TurnRegistry, writer: ResponseWriter, keys: ApiKeys) -> None:
        self._turns = turns
        self._writer = writer
        self._keys = keys

    async def __call__(self, connection: HttpConnection) -> None:
        connection.check_method("GET", "DELETE")
        owner = self._keys.check(_credentials(connection))
        id = connection.path.rpartition("/")[2]
        if connection.method == "GET":
            after = _position(connection)
            turn = await self._turns.find(id, owner)
            await self._writer.stream(connection, turn, numbered=True, after=after)
        else:
            turn = await self._turns.find(id, owner)
            turn.stop()
            if completion := await self._writer.wait_for_completion(connection, turn, was_cancelled=True):
                encoded = msgspec.json.encode(completion, order="sorted")
                await connection.send_json(encoded, headers=headers_of(turn, resumable=False))


def _position(connection: HttpConnection) -> Position:
    """Return the position to resume after: `Last-Event-ID`, or else the parameter `after`.

    A browser that reconnects repeats the URL with its old `after`, and adds the header.

    Raises:
        RequestError: 1214, the value is not a number of events.
    """
    name, value = "Last-Event-ID", connection.headers.get("last-event-id", "")
    if not value:
        name, value = "after", connection.query.get("after", "0")
    if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
        msg = f'{name} is "{value[:40]}"; it must be the `id` of an event of this turn, or 0 for all events'
        raise RequestError(msg)
    return Position(int(value), name)


def _credentials(connection: HttpConnection) -> dict[str, str]:
    """Return the headers, with the query's token as `Authorization` if there is none.

    A browser's EventSource cannot set headers. Only signed tokens are accepted in a query, because URLs
    are logged, and tokens expire.
    """
    token = connection.query.get("token", "")
    if connection.method == "GET" and token.count(".") == 2 and "authorization" not in connection.headers:
        return {**connection.headers, "authorization": f"Bearer {token}"}
    return connection.headers
