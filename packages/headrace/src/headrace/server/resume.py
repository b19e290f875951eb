"""`…/chat/completions/{id}` and its like: GET or POST resumes the stream of a turn, DELETE cancels the turn.

Some tunnels collect the response to a GET until it ends, but let that to a POST through.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from headrace.errors import RequestError
from headrace.keys import ApiKeys
from headrace.server.apis import Api
from headrace.server.connection import Endpoint, HttpConnection, decode_number
from headrace.server.response_writer import Position, ResponseWriter
from headrace.turns import TurnRegistry

__all__ = ["ResumeEndpoint", "TurnsEndpoint", "authenticate", "position_of"]

_MAX_BODY: Final = 1024 * 1024  # bytes


class ResumeEndpoint:
    """The endpoint that resumes and cancels turns.

    Args:
        turns: finds the turn.
        api: of the path.
        writer: sends the rest of its answer.
        keys: authenticate the owner of the turn.
        on_resumed: called for each turn that is resumed.
    """

    def __init__(
        self,
        turns: TurnRegistry,
        api: Api,
        writer: ResponseWriter,
        keys: ApiKeys,
        on_resumed: Callable[[], None] = lambda: None,
    ) -> None:
        self._turns = turns
        self._id_prefix = api.id_prefix
        self._on_resumed = on_resumed
        self._writer = writer
        self._keys = keys

    async def __call__(self, connection: HttpConnection) -> None:
        connection.check_method("GET", "POST", "DELETE")
        id = connection.path.rpartition("/")[2].removeprefix(self._id_prefix)
        is_stop = connection.method == "DELETE"
        owner = await authenticate(self._keys, connection, id, "stop" if is_stop else "read")
        if not is_stop:
            after = position_of(connection)
            if connection.method == "POST":
                await _check_body(connection)
        turn = await self._turns.find(id, owner)
        connection.turn = turn.id
        if not is_stop:
            self._on_resumed()
            await self._writer.stream(connection, turn, numbered=True, after=after)
        else:
            turn.stop()
            await self._writer.send_whole(connection, turn, was_cancelled=True)


class TurnsEndpoint:
    """`GET …/chat/completions?status=running` lists the unfinished turns of a key; a POST starts one.

    Args:
        turns: finds the turns.
        keys: authenticate their owner.
        start: handles a POST.
    """

    def __init__(self, turns: TurnRegistry, keys: ApiKeys, start: Endpoint) -> None:
        self._turns = turns
        self._keys = keys
        self._start = start

    def __call__(self, connection: HttpConnection) -> Awaitable[None]:
        return self._start(connection) if connection.method == "POST" else self._list(connection)

    async def _list(self, connection: HttpConnection) -> None:
        connection.check_method("GET", "POST")
        connection.owner = owner = await self._keys.check(connection.headers)
        status = connection.query.get("status", "")
        if status != "running":
            raise RequestError(f'status is "{status[:40]}"; only the turns of ?status=running can be listed')
        turns = [
            {"id": turn.id, "request_id": turn.request_id, "created": turn.created, "status": status}
            for turn in await self._turns.running(owner)
        ]
        await connection.send_json(msgspec.json.encode({"object": "list", "data": turns}))


async def authenticate(keys: ApiKeys, connection: HttpConnection, turn: str, action: str) -> str:
    """Return the owner: the caller, or who has signed the URL. An EventSource cannot send headers.

    Args:
        keys: of the server.
        connection: from the client.
        turn: the id in the URL.
        action: `read` or `stop`, of which the URL must allow this one.

    Raises:
        AccessError: as `ApiKeys.check` and `ApiKeys.check_url`.
    """
    token = connection.query.get("token")
    if token is None or "authorization" in connection.headers:
        connection.owner = await keys.check(connection.headers)
    else:
        connection.owner = await keys.check_url(token, turn, action)
    return connection.owner


async def _check_body(connection: HttpConnection) -> None:
    """Check that a POST has no body, which could only be a request for another turn.

    Raises:
        RequestError: 1210, it has one.
    """
    if bytes(await connection.body(_MAX_BODY)).strip() not in (b"", b"{}"):
        msg = "a POST to the path of a turn resumes it, and has no body; send a new request without the id"
        raise RequestError(msg, code="1210")


def position_of(connection: HttpConnection) -> Position:
    """Return the position to resume after: `Last-Event-ID`, or else the parameter `after`.

    A browser that reconnects repeats the URL with its old `after`, and adds the header.

    Raises:
        RequestError: 1214, one of them is not a number of events.
    """
    position = _decode_position("after", connection.query.get("after", "0"))
    if value := connection.headers.get("last-event-id"):
        position = _decode_position("Last-Event-ID", value)
    return position


def _decode_position(name: str, value: str) -> Position:
    if (id := decode_number(value)) is None:
        msg = f'{name} is "{value[:40]}"; it must be the `id` of an event of this turn, or 0 for all events'
        raise RequestError(msg)
    return Position(id, name)
