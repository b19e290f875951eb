"""From a turn to its answer: a stream, or the fold of it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

from headrace.chunks import ChunkEncoder
from headrace.errors import EngineError, RequestError
from headrace.events import Event, Finish
from headrace.models import Model, ModelRegistry
from headrace.server.connection import Header, HttpConnection
from headrace.server.frames import FrameEncoder, send_stream
from headrace.turns import Interpreter, LogReader, Turn
from headrace.wire import ChatRequest, Completion, fold

__all__ = ["RESUMABLE", "Position", "ResponseWriter", "headers_of", "new_interpreter"]

RESUMABLE: Final = "x-headrace-resumable"
"""The header by which a client asks for event ids, for a turn that waits for it, and for named errors."""


class Position(NamedTuple):
    """How many events a client has seen, and the header or parameter that says so."""

    events: int
    name: str


_START: Final = Position(0, "after")


class ResponseWriter:
    """Reads turns for clients.

    Args:
        models: the models that are served.
        keep_alive: seconds of silence on a stream before a comment is sent.
        repeats_role: see `ChunkEncoder`.
    """

    def __init__(self, models: ModelRegistry, keep_alive: float, *, repeats_role: bool) -> None:
        self._models = models
        self._keep_alive = keep_alive
        self._repeats_role = repeats_role

    async def stream(
        self, connection: HttpConnection, turn: Turn, *, numbered: bool, after: Position = _START
    ) -> None:
        """Send the events after a position, as they come; ends when the client leaves.

        Raises:
            RequestError: 1214, the turn has not so many events; nothing has been sent.
            HeadraceError: the turn failed before its first event; nothing has been sent.
        """
        asks = connection.headers.get(RESUMABLE) == "1"
        frames = FrameEncoder(
            self._interpreter(turn),
            self._chunks(turn),
            numbered=numbered,
            after=after.events,
            tells_errors=asks,
        )
        with self._reading(connection, turn) as reader:
            said = reader.take() if after.events else await reader.read()
            first = frames.encode(said, is_saved=reader.is_saved)
            if after.events > frames.ordinal:
                so_far = f"turn {turn.id} has only {frames.ordinal} events so far"
                msg = f"{after.name} is {after.events}, but {so_far}"
                raise RequestError(msg)
            await send_stream(reader, frames, connection.send, first, headers_of(turn, asked=numbered))

    async def whole(
        self, connection: HttpConnection, turn: Turn, *, partial: bool = False
    ) -> Completion | None:
        """The whole answer, when it is there; None if the client left before.

        Raises:
            HeadraceError: the turn failed; or its answer broke off, unless `partial` ones will do.
        """
        events: list[Event] = []
        interpreter = self._interpreter(turn)
        with self._reading(connection, turn) as reader:
            while not events or not isinstance(events[-1], Finish):
                events += interpreter.feed(await reader.read())
                if reader.is_closed:
                    return None
        return self._fold(turn, events, partial=partial)

    def finished(self, turn: Turn) -> Completion:
        """The whole answer of a turn that has ended.

        Raises:
            HeadraceError: the turn failed, or its answer broke off.
        """
        with closing(turn.reader(idle=self._keep_alive)) as reader:
            return self._fold(turn, self._interpreter(turn).feed(reader.take()))

    def _fold(self, turn: Turn, events: Sequence[Event], *, partial: bool = False) -> Completion:
        ending = events[-1]
        if isinstance(ending, Finish) and ending.error and not partial:
            raise EngineError(ending.error)
        chunks = self._chunks(turn)
        request_id = turn.header.request_id or turn.id
        return fold((chunk for event in events if (chunk := chunks.encode(event))), request_id=request_id)

    def _interpreter(self, turn: Turn) -> Interpreter:
        return new_interpreter(self._models.find(turn.request.model), turn.request)

    def _chunks(self, turn: Turn) -> ChunkEncoder:
        return ChunkEncoder(turn.id, turn.created, turn.request.model, repeats_role=self._repeats_role)

    @contextmanager
    def _reading(self, connection: HttpConnection, turn: Turn) -> Iterator[LogReader]:
        reader = turn.reader(idle=self._keep_alive)
        leaving = asyncio.create_task(connection.until_disconnect())
        leaving.add_done_callback(lambda _: reader.close())
        try:
            yield reader
        finally:
            leaving.cancel()
            reader.close()


def new_interpreter(model: Model, request: ChatRequest) -> Interpreter:
    """Create an interpreter for the answer to a request."""
    return Interpreter(model.parser(request), closes_calls=not request.stop)


def headers_of(turn: Turn, *, asked: bool) -> list[Header]:
    """What a response says about its turn: its id, and whether what was asked for cannot be done."""
    headers = [(b"x-request-id", turn.id.encode())]
    if asked and not turn.is_durable:
        headers.append((b"x-headrace-resume", b"off"))
    return headers
