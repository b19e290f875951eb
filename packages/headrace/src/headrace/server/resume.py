"""`…/chat/completions/{id}`: GET goes on reading a turn, DELETE stops it."""

from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.server.connection import HttpConnection
from headrace.server.keys import ApiKeys
from headrace.server.response_writer import ResponseWriter, headers_of
from headrace.turns import TurnRegistry

__all__ = ["ResumeEndpoint"]

_MOST_DIGITS: Final = 18


class ResumeEndpoint:
    """Reads turns again, and stops them.

    Args:
        turns: finds the turn.
        writer: sends what is left of its answer.
        keys: whose turns they are.
    """

    def __init__(self, turns: TurnRegistry, writer: ResponseWriter, keys: ApiKeys) -> None:
        self._turns = turns
        self._writer = writer
        self._keys = keys

    async def __call__(self, connection: HttpConnection) -> None:
        """Answer one request."""
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
            if answer := await self._writer.whole(connection, turn, partial=True):
                encoded = msgspec.json.encode(answer, order="sorted")
                await connection.send_json(encoded, headers=headers_of(turn, asked=False))


def _position(connection: HttpConnection) -> int:
    """How many events the client has seen. A browser that reconnects sends the header; it is the newer one.

    Raises:
        RequestError: 1214, that is no number of events.
    """
    name, value = "Last-Event-ID", connection.headers.get("last-event-id", "")
    if not value:
        name, value = "after", connection.query.get("after", "0")
    if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
        msg = f'{name} is "{value[:40]}"; it must be the `id` of an event of this turn, or 0 for all of them'
        raise RequestError(msg)
    return int(value)


def _credentials(connection: HttpConnection) -> dict[str, str]:
    """A browser's EventSource sends no headers of ours: it may put a signed token into the query.

    Only a token, because addresses end up in logs, and a token expires.
    """
    token = connection.query.get("token", "")
    if connection.method == "GET" and token.count(".") == 2 and "authorization" not in connection.headers:
        return {**connection.headers, "authorization": f"Bearer {token}"}
    return connection.headers
