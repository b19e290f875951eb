"""`…/responses`: start a response, and everything that concerns one, by its id."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from headrace.errors import HeadraceError, RequestError
from headrace.events import Finish
from headrace.keys import ApiKeys
from headrace.response_encoder import RESPONSE, turn_id_of
from headrace.server.answers import start_turn
from headrace.server.apis import RESUMABLE
from headrace.server.connection import HttpConnection, decode_number
from headrace.server.request_reader import RequestReader
from headrace.server.response_history import ResponseHistory
from headrace.server.response_writer import ResponseWriter, headers_of
from headrace.server.responses_api import ResponsesApi, read_so_far, starting_after
from headrace.server.resume import authenticate, position_of
from headrace.server.stream import STREAM_HEADERS
from headrace.turns import Turn, TurnRegistry
from headrace.turns.entries import Failure
from headrace.turns.requested_end import DISCONNECTED
from headrace.turns.store import StoreError
from headrace.wire.expected import show
from headrace.wire.responses.request import History, ResponseRequest, decode_response_request, form_of
from headrace.wire.sources import Decoded

__all__ = ["ACTIONS", "RESPONSES", "ResponseEndpoint", "ResponsesEndpoint"]

RESPONSES: Final = ("/v1/responses", "/api/v1/responses")
"""The paths: OpenAI's, and Z.ai's."""

ACTIONS: Final = ("cancel", "input_items")
"""What can follow the id of a response in its path."""

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_LOGGER: Final = logging.getLogger("headrace.server")
_PAGE: Final = 20  # items of an input, if the client sets no limit
_MAX_PAGE: Final = 100


class _UpgradeError(RequestError):
    """A WebSocket, which is not served here. After status 426, Codex silently uses HTTP."""

    def __init__(self) -> None:
        super().__init__("there are no WebSockets here; send a POST", code="1222", status=426)


class _Body:
    """Reads the body of one request."""

    def __init__(self, history: ResponseHistory) -> None:
        self.request: ResponseRequest
        self._finder = history
        self._history = History()

    async def prepare(self, body: bytearray, owner: str) -> bool:
        """Find the earlier responses that the body refers to; return whether there are any."""
        self._history = await self._finder.find(body, owner)
        return bool(self._history.items or self._history.referenced)

    def decode(self, body: bytearray) -> Decoded:
        self.request = decode_response_request(body, self._history)
        return Decoded(self.request.chat, self.request.sources)


class ResponsesEndpoint:
    """The endpoint that starts a response.

    Args:
        turns: starts its turn.
        writer: sends it.
        reader: reads the request.
        history: finds earlier responses.
        always_resumable: whether turns are resumable without being requested to be.
    """

    def __init__(
        self,
        turns: TurnRegistry,
        writer: ResponseWriter,
        reader: RequestReader,
        history: ResponseHistory,
        *,
        always_resumable: bool,
    ) -> None:
        self._turns = turns
        self._writer = writer
        self._reader = reader
        self._history = history
        self._always_resumable = always_resumable

    async def __call__(self, connection: HttpConnection) -> None:
        if "sec-websocket-key" in connection.headers:
            raise _UpgradeError
        body = _Body(self._history)
        plan = await self._reader.read(connection, body.decode, body.prepare)
        request, can_resume = body.request, connection.headers.get(RESUMABLE) == "1"
        resumable = request.store or can_resume or self._always_resumable
        turn = await start_turn(
            self._turns,
            connection,
            plan,
            resumable=resumable,
            can_resume=can_resume or self._always_resumable,
            detached=request.background,
        )
        if turn is None:
            return
        for left_out in request.left_out:
            _LOGGER.info("%s; the model does not get it", left_out, extra={"turn": turn.id})
        if request.background and not request.stream:
            await _send(connection, turn, read_so_far(turn).response)
        elif request.stream:
            await _stream(self._writer, connection, turn, numbered=can_resume)
        else:
            await self._writer.send_whole(connection, turn, resumable=can_resume)
        # As at OpenAI, a client cancels an answer by closing the connection, even if it is stored.
        can_resume = can_resume or bool(turn.header.request_id) or request.background
        if not can_resume and turn.log.is_orphaned and not turn.log.is_finished:
            turn.stop(DISCONNECTED)


class ResponseEndpoint:
    """The endpoint of one response, below its path.

    Args:
        path: before the id.
        turns: finds the turn.
        writer: sends it.
        keys: authenticate its owner.
        on_resumed: called for each turn that is resumed.
    """

    def __init__(
        self,
        path: str,
        turns: TurnRegistry,
        writer: ResponseWriter,
        keys: ApiKeys,
        on_resumed: Callable[[], None],
    ) -> None:
        self._path = path
        self._on_resumed = on_resumed
        self._turns = turns
        self._writer = writer
        self._keys = keys
        self._operations: dict[tuple[str, str], Callable[[HttpConnection, Turn], Awaitable[None]]] = {
            ("GET", ""): self._read,
            ("DELETE", ""): self._delete,
            ("POST", "cancel"): self._cancel,
            ("GET", "input_items"): self._list_input,
        }

    async def __call__(self, connection: HttpConnection) -> None:
        id, _, action = connection.path.removeprefix(f"{self._path}/").partition("/")
        methods = [method for method, known in self._operations if known == action]
        if not methods or (id in ("compact", "input_tokens") and not action):
            raise RequestError(f"{connection.path} is not served here", code="1222")
        connection.check_method(*methods)
        if connection.method == "DELETE":  # no URL is signed for that
            connection.owner = owner = await self._keys.check(connection.headers)
        else:
            needed = "stop" if action == "cancel" else "read"
            owner = await authenticate(self._keys, connection, turn_id_of(id), needed)
        turn = await self._find(id, owner)
        connection.turn = turn.id
        await self._operations[connection.method, action](connection, turn)

    async def _find(self, id: str, owner: str) -> Turn:
        try:
            return await self._turns.find(turn_id_of(id), owner)
        except RequestError as error:
            if error.status != 404:
                raise
            msg = f"there is no response {show(id)} of this key; without store: false, it would be kept"
            raise RequestError(msg, status=404) from None

    async def _read(self, connection: HttpConnection, turn: Turn) -> None:
        starting_after(connection)  # is checked without a stream, too
        stream = connection.query.get("stream", "false").lower()
        if stream not in _BOOLEANS:
            raise RequestError(f"stream is {show(stream)}; it must be true or false")
        if not _BOOLEANS[stream]:
            if turn.log.is_finished and not turn.log.is_saved:
                msg = f"response {turn.id} has ended, but its end is not in the turn store yet; try again"
                raise StoreError(msg)
            await _send(connection, turn, read_so_far(turn).response)
            return
        self._on_resumed()
        await _stream(self._writer, connection, turn, numbered=connection.headers.get(RESUMABLE) == "1")

    async def _cancel(self, connection: HttpConnection, turn: Turn) -> None:
        if turn.log.is_finished:
            await _send(connection, turn, read_so_far(turn).response)
            return
        turn.stop()
        await self._writer.send_whole(connection, turn, was_cancelled=True)

    async def _delete(self, connection: HttpConnection, turn: Turn) -> None:
        turn.stop()
        if await self._writer.wait_for_end(connection, turn):
            await self._turns.delete(turn)
            deleted = {"id": RESPONSE + turn.id, "object": "response", "deleted": True}
            await _send(connection, turn, deleted)

    async def _list_input(self, connection: HttpConnection, turn: Turn) -> None:
        items = [
            {**item, "id": item.get("id") or f"item_{turn.id}_{index}", "type": item.get("type") or "message"}
            for index, item in enumerate(form_of(turn.request).input)
        ]
        await _send(connection, turn, _page(items, connection.query))


def _page(items: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
    """Return the part of a list that the query asks for.

    Raises:
        RequestError: 1214, a parameter is invalid.
    """
    size, order, after = query.get("limit", str(_PAGE)), query.get("order", "desc"), query.get("after")
    limit = decode_number(size)
    if limit is None or not 1 <= limit <= _MAX_PAGE:
        raise RequestError(f"limit is {show(size)}; it must be 1 to {_MAX_PAGE}")
    if order not in ("asc", "desc"):
        raise RequestError(f'order is {show(order)}; it must be "asc" or "desc"')
    ordered = items if order == "asc" else items[::-1]
    if after is not None:
        places = [place for place, item in enumerate(ordered) if item["id"] == after]
        if not places:
            raise RequestError(f"after is {show(after)}; it must be the id of an item of this list")
        ordered = ordered[places[0] + 1 :]
    page = ordered[:limit]
    return {
        "object": "list",
        "data": page,
        "has_more": len(page) < len(ordered),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


async def _stream(writer: ResponseWriter, connection: HttpConnection, turn: Turn, *, numbered: bool) -> None:
    """Stream a response. One that is read again may have failed before its first event."""
    try:
        after = position_of(connection) if connection.method == "GET" else None
        await writer.stream(connection, turn, numbered=numbered, after=after)
    except HeadraceError as error:
        is_stored = connection.method == "GET" or turn.header.detached
        if not (is_stored and turn.log.is_finished and isinstance(turn.log.last, Failure)):
            raise
        encoder = ResponsesApi().encoder(turn, connection)
        encoder.error = error
        frames = encoder.encode_frame(Finish("network_error", error=error.public)) or b""
        if encoder.missing:
            raise RequestError(encoder.missing) from None
        headers = [*STREAM_HEADERS, *headers_of(turn, resumable=numbered)]
        await connection.send_all(200, headers, frames)


async def _send(connection: HttpConnection, turn: Turn, value: dict[str, Any]) -> None:
    await connection.send_json(msgspec.json.encode(value), headers=headers_of(turn, resumable=False))
