"""Sending the answer of a turn: as a stream, or complete."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

from headrace.errors import EngineError, RequestError
from headrace.events import Event, Finish
from headrace.server.apis import RESUMABLE, Api
from headrace.server.channel import open_channel
from headrace.server.connection import Header, HttpConnection
from headrace.server.frames import FrameEncoder
from headrace.server.reconnects import Reconnects
from headrace.server.stream import EndReached, EventStream, PositionError
from headrace.turns import LogReader, Turn
from headrace.turns.store import LOST, GoneError

__all__ = ["Position", "ResponseWriter", "encode_list", "headers_of"]

TURN: Final = b"x-headrace-turn"
"""The header by which a client recognises that it may resume and cancel a turn, with the turn's id."""

_MAX_HEADER: Final = 4096  # bytes; proxies allow 8 KiB for all headers


class Position(NamedTuple):
    """The id of the last event that a client has received, and the header or parameter that contained it."""

    id: int
    name: str


_START: Final = Position(0, "after")


class ResponseWriter:
    """Reads turns and sends their answers.

    Args:
        keep_alive_interval: seconds of silence on a stream before a comment is sent.
        api: in which the answers are encoded.
        reconnects: shared by all APIs of a server.
    """

    def __init__(self, keep_alive_interval: float, api: Api, reconnects: Reconnects) -> None:
        self._keep_alive_interval = keep_alive_interval
        self._api = api
        self._reconnects = reconnects

    async def stream(
        self, connection: HttpConnection, turn: Turn, *, numbered: bool, after: Position | None = None
    ) -> bool:
        """Stream the events after a position until the answer ends or the client disconnects.

        A client that resumes, and has received the complete answer, gets status 204.

        Returns:
            False if the client disconnected before anything was sent.

        Raises:
            RequestError: 1214, the turn has fewer events; nothing has been sent.
            GoneError: the store has lost events that the client has received; nothing has been sent.
            HeadraceError: the turn failed before its first event; nothing has been sent.
        """
        position = after or _START
        encoder = self._api.encoder(turn, connection)
        frames = FrameEncoder(turn.plan.new_interpreter(), encoder, numbered=numbered, after=position.id)
        can_resume = after is not None or connection.headers.get(RESUMABLE) == "1"
        reconnects = self._reconnects if can_resume else None
        stream = EventStream(connection, turn, frames, self._keep_alive_interval, reconnects=reconnects)
        headers = self._headers(turn, resumable=numbered)
        if numbered:
            headers.append((b"x-headrace-keep-alive", b"%g" % self._keep_alive_interval))
        self._reconnects.streams += can_resume
        try:
            return await stream.send(headers, position.id)
        except EndReached:
            await connection.send_all(204, headers, b"")
            return True
        except PositionError as error:
            if error.is_lost:
                raise GoneError(turn.id, LOST) from None
            so_far = f"turn {turn.id} has only {error.count} events so far"
            raise RequestError(encoder.missing or f"{position.name} is {position.id}, but {so_far}") from None
        finally:
            self._reconnects.streams -= can_resume

    async def send_whole(
        self, connection: HttpConnection, turn: Turn, *, resumable: bool = False, was_cancelled: bool = False
    ) -> bool:
        """Send the complete answer when the turn ends.

        Args:
            connection: to the client.
            turn: to wait for.
            resumable: whether the client has requested a resumable turn.
            was_cancelled: by this client, which gets the answer so far.

        Returns:
            False if the client disconnected before.

        Raises:
            HeadraceError: the turn failed; after its first event only unless `was_cancelled`.
        """
        events = await self._wait_for_events(connection, turn, was_cancelled=was_cancelled)
        if events is None:
            return False
        answer = msgspec.json.encode(self._api.answer(turn, events), order="sorted")
        await connection.send_json(answer, headers=self._headers(turn, resumable=resumable))
        return True

    def answer(self, turn: Turn) -> Any:
        """Return the complete answer of a turn that has ended.

        Raises:
            HeadraceError: the turn failed.
        """
        with closing(turn.reader()) as reader:
            return self._api.answer(turn, _interpret(turn, reader))

    async def wait_for_end(self, connection: HttpConnection, turn: Turn) -> bool:
        """Wait until the turn ends; return False if the client disconnects before."""
        wake = asyncio.get_running_loop().create_future()

        def signal() -> None:
            if not wake.done():
                wake.set_result(None)

        channel = open_channel(connection, signal)
        reader = turn.reader(lambda: signal() if turn.log.is_finished else None)
        try:
            if not turn.log.is_finished:
                await wake
            return turn.log.is_finished
        finally:
            channel.close()
            reader.close()

    async def _wait_for_events(
        self, connection: HttpConnection, turn: Turn, *, was_cancelled: bool
    ) -> list[Event] | None:
        was_running = not turn.log.is_finished
        with closing(turn.reader()) as reader:
            if not await self.wait_for_end(connection, turn):
                return None
            return _interpret(turn, reader, partial=was_cancelled, was_running=was_running)

    def _headers(self, turn: Turn, *, resumable: bool) -> list[Header]:
        return [*headers_of(turn, resumable=resumable), *self._api.headers(turn)]


def _interpret(
    turn: Turn, reader: LogReader, *, partial: bool = False, was_running: bool = False
) -> list[Event]:
    """Return the interpreted events of a turn that has ended."""
    events = turn.plan.new_interpreter().feed(reader.take())
    ending = events[-1]
    if isinstance(ending, Finish):
        turn.log.received = ending
        if ending.error and not partial:
            raise EngineError(ending.error)
        if ending.error and was_running:  # another process could not take it over, just before the DELETE
            events[-1] = Finish("stop", ending.usage)
    return events


def headers_of(turn: Turn, *, resumable: bool) -> list[Header]:
    """Return the headers of a response.

    They have the id of the turn, whether it can be resumed, how long it lingers if its request has chosen
    that, and which keywords of its schemas are not enforced.
    """
    headers = [(b"x-request-id", turn.id.encode())]
    if resumable:
        saved = turn.log.is_saved
        headers.append((TURN, turn.id.encode()) if saved else (b"x-headrace-resume", b"off"))
    if turn.header.linger is not None:
        headers.append((b"x-headrace-linger", b"%g" % turn.header.linger))
    if turn.plan.unenforced:
        headers.append((b"x-headrace-unenforced", encode_list(turn.plan.unenforced)))
    return headers


def encode_list(names: Sequence[str]) -> bytes:
    """Encode names for a header, in which only ASCII is safe: as many as there is room for."""
    header = ""
    for name in names:
        longer = f"{header}, {quote(name, safe='$[]')}" if header else quote(name, safe="$[]")
        if len(longer) > _MAX_HEADER:
            return f"{header}, ...".encode()
        header = longer
    return header.encode()
