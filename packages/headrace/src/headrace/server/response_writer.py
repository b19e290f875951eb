"""Sending the answer of a turn: as a stream, or folded into a completion."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import Final, NamedTuple
from urllib.parse import quote

from headrace.chunks import ChunkEncoder
from headrace.errors import EngineError, RequestError
from headrace.events import Finish
from headrace.server.channel import open_channel
from headrace.server.connection import Header, HttpConnection
from headrace.server.frames import FrameEncoder
from headrace.server.stream import EventStream, PositionError
from headrace.turns import LogReader, Turn
from headrace.turns.store import LOST, GoneError
from headrace.wire import Completion, fold

__all__ = ["RESUMABLE", "Position", "ResponseWriter", "headers_of", "unenforced_header"]

RESUMABLE: Final = "x-headrace-resumable"
"""The header that requests a resumable turn, event ids, and `event: error` with the reason of a failure."""


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
        openai: whether streams are OpenAI's: only the first delta has the role, and a failure is an event
            `data: {"error": …}`. Z.ai's deltas all have the role, and a failure is a finish reason only.
    """

    def __init__(self, keep_alive_interval: float, *, openai: bool) -> None:
        self._keep_alive_interval = keep_alive_interval
        self._openai = openai

    async def stream(
        self, connection: HttpConnection, turn: Turn, *, numbered: bool, after: Position = _START
    ) -> bool:
        """Stream the events after a position until the answer ends or the client disconnects.

        Returns:
            False if the client disconnected before anything was sent.

        Raises:
            RequestError: 1214, the turn has fewer events; nothing has been sent.
            GoneError: the store has lost events that the client has received; nothing has been sent.
            HeadraceError: the turn failed before its first event; nothing has been sent.
        """
        frames = FrameEncoder(
            turn.plan.new_interpreter(),
            self._chunks(turn),
            numbered=numbered,
            after=after.id,
            error_event=self._error_event(connection),
        )
        stream = EventStream(connection, turn, frames, self._keep_alive_interval)
        try:
            return await stream.send(headers_of(turn, resumable=numbered), after.id)
        except PositionError as error:
            if error.is_lost:
                raise GoneError(turn.id, LOST) from None
            so_far = f"turn {turn.id} has only {error.count} events so far"
            msg = f"{after.name} is {after.id}, but {so_far}"
            raise RequestError(msg) from None

    async def wait_for_completion(
        self, connection: HttpConnection, turn: Turn, *, was_cancelled: bool = False
    ) -> Completion | None:
        """Return the completion when the turn ends; None if the client disconnects before.

        Args:
            connection: to the client.
            turn: to wait for.
            was_cancelled: by this client, which gets the answer so far.

        Raises:
            HeadraceError: the turn failed; after its first event only unless `was_cancelled`.
        """
        was_running = not turn.log.is_finished
        wake = asyncio.get_running_loop().create_future()

        def signal() -> None:
            if not wake.done():
                wake.set_result(None)

        channel = open_channel(connection, signal)
        reader = turn.reader(lambda: signal() if turn.log.is_finished else None)
        try:
            if not turn.log.is_finished:
                await wake
            if not turn.log.is_finished:
                return None
            return self._fold(turn, reader, partial=was_cancelled, was_running=was_running)
        finally:
            channel.close()
            reader.close()

    def completion(self, turn: Turn) -> Completion:
        """Return the completion of a turn that has ended.

        Raises:
            HeadraceError: the turn failed.
        """
        with closing(turn.reader()) as reader:
            return self._fold(turn, reader)

    def _fold(
        self, turn: Turn, reader: LogReader, *, partial: bool = False, was_running: bool = False
    ) -> Completion:
        events = turn.plan.new_interpreter().feed(reader.take())
        ending = events[-1]
        if isinstance(ending, Finish):
            turn.log.received = ending
            if ending.error and not partial:
                raise EngineError(ending.error)
            if ending.error and was_running:  # another process could not take it over, just before the DELETE
                events[-1] = Finish("stop", ending.usage)
        chunks = self._chunks(turn)
        request_id = turn.header.request_id or turn.id
        return fold((chunk for event in events if (chunk := chunks.encode(event))), request_id=request_id)

    def _error_event(self, connection: HttpConnection) -> str | None:
        if connection.headers.get(RESUMABLE) == "1":
            return "error"
        return "" if self._openai else None

    def _chunks(self, turn: Turn) -> ChunkEncoder:
        return ChunkEncoder(turn.id, turn.created, turn.request.model, repeats_role=not self._openai)


def headers_of(turn: Turn, *, resumable: bool) -> list[Header]:
    """Return the headers of a response.

    They have the id of the turn, whether it can be resumed, and which keywords of its schemas are not
    enforced.
    """
    headers = [(b"x-request-id", turn.id.encode())]
    if resumable:
        saved = turn.log.is_saved
        headers.append((TURN, turn.id.encode()) if saved else (b"x-headrace-resume", b"off"))
    if turn.plan.unenforced:
        headers.append((b"x-headrace-unenforced", unenforced_header(turn.plan.unenforced)))
    return headers


def unenforced_header(places: Sequence[str]) -> bytes:
    """Encode places for a header, in which only ASCII is safe: as many as there is room for."""
    header = ""
    for place in places:
        longer = f"{header}, {quote(place, safe='$[]')}" if header else quote(place, safe="$[]")
        if len(longer) > _MAX_HEADER:
            return f"{header}, ...".encode()
        header = longer
    return header.encode()
