"""`POST …/chat/completions` and its like of other APIs: start a turn and send its answer."""

import re
from typing import Final

from headrace.errors import RequestError
from headrace.server.apis import RESUMABLE
from headrace.server.connection import HttpConnection
from headrace.server.request_reader import Decode, RequestReader
from headrace.server.response_writer import ResponseWriter
from headrace.turns import Plan, Turn, TurnRegistry
from headrace.turns.requested_end import DISCONNECTED

__all__ = ["AnswerEndpoint", "start_turn"]

_REQUEST_ID: Final = "x-headrace-request-id"
"""A header instead of the field `request_id`, which not every server accepts."""

LINGER: Final = "x-headrace-linger"
"""The header with the seconds for which a resumable turn continues without a reader."""

_MAX_REQUEST_ID: Final = 64
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class AnswerEndpoint:
    """The endpoint that starts a turn and sends its answer.

    Args:
        turns: starts the turn.
        decode: decodes the request, as its API requires.
        writer: sends the answer in that API.
        reader: reads the request.
        always_resumable: whether turns are resumable without being requested to be.
    """

    def __init__(
        self,
        turns: TurnRegistry,
        decode: Decode,
        writer: ResponseWriter,
        reader: RequestReader,
        *,
        always_resumable: bool,
    ) -> None:
        self._turns = turns
        self._decode = decode
        self._writer = writer
        self._reader = reader
        self._always_resumable = always_resumable

    async def __call__(self, connection: HttpConnection) -> None:
        plan = await self._reader.read(connection, self._decode)
        resumable = self._always_resumable or connection.headers.get(RESUMABLE) == "1"
        turn = await start_turn(self._turns, connection, plan, resumable=resumable, can_resume=resumable)
        if turn is None:
            return
        if plan.generation.request.stream:
            has_response = await self._writer.stream(connection, turn, numbered=resumable)
        else:
            has_response = await self._writer.send_whole(connection, turn, resumable=resumable)
        if not has_response and not turn.header.request_id:  # no client can know of the turn
            turn.stop(DISCONNECTED)


async def start_turn(
    turns: TurnRegistry,
    connection: HttpConnection,
    plan: Plan,
    *,
    resumable: bool,
    can_resume: bool,
    detached: bool = False,
) -> Turn | None:
    """Start the turn of a request, or attach to that with the same id; None if the client has disconnected.

    Args:
        turns: starts it.
        connection: has the request, and gets the id of the turn.
        plan: of the request.
        resumable: whether the turn is kept.
        can_resume: whether the client will resume it, even if it has no id of its own.
        detached: whether it needs no reader.

    Raises:
        RequestError: as `_request_id_of` and `_linger_of`; or as `TurnRegistry.start`.
    """
    request_id = _request_id_of(connection)
    has_id = bool(request_id or plan.generation.request.request_id)
    linger = _linger_of(connection, can_resume=can_resume or has_id or detached)
    if connection.is_disconnected:  # and its DELETE, if any, would have come too early
        return None
    turn = await turns.start(
        plan, resumable=resumable, detached=detached, request_id=request_id, linger=linger
    )
    connection.request_id = connection.turn = turn.id
    if turn.plan is plan:
        connection.started_turn = turn.id
    return turn


def _request_id_of(connection: HttpConnection) -> str:
    """Return the client's own id of a request whose body has none; "" if there is no such header.

    Raises:
        RequestError: 1214, it is too long.
    """
    value = connection.headers.get(_REQUEST_ID, "")
    if len(value) > _MAX_REQUEST_ID:
        msg = f"{_REQUEST_ID} has {len(value)} characters; it may have {_MAX_REQUEST_ID}"
        raise RequestError(msg)
    return value


def _linger_of(connection: HttpConnection, *, can_resume: bool) -> float | None:
    """Return the seconds for which the turn continues without a reader; None for those of the server.

    Raises:
        RequestError: 1214, it is not a number of seconds, or the client cannot resume the turn.
    """
    value = connection.headers.get(LINGER)
    if value is None:
        return None
    if not _SECONDS.fullmatch(value):
        msg = f'{LINGER} is "{value[:40]}"; it must be a number of seconds, such as 300'
        raise RequestError(msg)
    if not can_resume:
        raise RequestError(f"{LINGER} is for resumable turns; send {RESUMABLE}: 1 as well")
    return float(value)
