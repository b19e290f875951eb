"""A streamed answer, read as it comes: iterate over its chunks."""

import time
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion
from zai.errors import ZaiError
from zai.http.http_client import HttpClient
from zai.http.interruptible import InterruptibleConnection, Watchdog
from zai.http.request import Request
from zai.http.retry import Retries
from zai.http.transport import iter_body, transport_exceptions
from zai.streaming.turn import Turn, TurnView

__all__ = ["Stream"]

ChunkT = TypeVar("ChunkT", bound=Chunk)

_DRAIN_SECONDS: Final = 0.1


class Stream(TurnView, Generic[ChunkT]):
    """Chunks, each as soon as it is whole. Made by `create(stream=True)`."""

    def __init__(self, client: HttpClient, request: Request, response: Any, retries: Retries) -> None:
        self._turn = Turn(client, request, response, retries)
        self._chunks: Generator[ChunkT, None, None] = _read(client, self._turn)

    # `for` gets the generator itself: a chunk costs one step, and leaving the loop closes it.
    def __iter__(self) -> Iterator[ChunkT]:
        return self._chunks

    def __next__(self) -> ChunkT:
        return next(self._chunks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave: the connection is closed, and the server stops."""
        try:
            self._chunks.close()
        except ValueError:  # another thread is reading
            self.cancel()
        else:
            self._turn.close()

    def cancel(self) -> None:
        """End the loop that reads, in whichever thread, quietly and at once."""
        self._turn.reader.cancel()
        self._turn.connection.interrupt()

    def text_deltas(self) -> Iterator[str]:
        """Only the answer's text, piece by piece."""
        for chunk in self:
            if chunk.choices and (delta := chunk.choices[0].delta) and delta.content:
                yield delta.content

    def collect(self) -> Completion:
        """Read to the end; everything that came, from the first chunk on. Half of it raises, each time."""
        for _ in self:
            pass
        self._turn.reader.check()
        return self.snapshot


def _read(client: HttpClient, turn: Turn) -> Generator[Any, None, None]:
    """The chunks, over as many connections as it takes."""
    reader, deadlines, take = turn.reader, turn.deadlines, turn.reader.take
    transport_errors = transport_exceptions(turn.response)
    reconnect = None
    try:
        while not turn.is_cancelled:
            failure: ZaiError | None = None
            try:
                if reconnect is not None:
                    turn.switch_to(client.send_once(reconnect.request, turn.retries))
                body = iter(iter_body(turn.response))
                for data in _timed(body, turn) if turn.is_watched else body:
                    if events := reader.feed(data):
                        deadlines.pause()
                        for event in events:
                            if (chunk := take(event)) is not None:
                                yield chunk
                        deadlines.resume(time.monotonic())
                    else:
                        turn.check_time()
                    if reader.is_over:
                        break
                for event in reader.finish():
                    if (chunk := take(event)) is not None:
                        yield chunk
                if reader.is_done:
                    _drain(turn.connection, body)
            except transport_errors as error:
                failure = turn.failure(error)
            except ZaiError as error:
                failure = error
            turn.close()
            reconnect = turn.next_reconnect(failure)
            if reconnect is None:
                break
            turn.connection.sleep(reconnect.delay)
    finally:
        turn.close()
        if (request := turn.stop_request()) is not None:
            client.send_ignoring_errors(request)
    reader.check()


def _timed(body: Iterator[bytes], turn: Turn) -> Iterator[bytes]:
    """The same pieces; a deadline that passes while one is waited for raises TimeoutError, or ends them."""
    remaining = turn.deadlines.remaining
    with Watchdog(turn.connection, remaining, turn.deadlines.idle):
        for data in body:
            if remaining(time.monotonic()) <= 0:
                raise TimeoutError
            yield data


def _drain(connection: InterruptibleConnection, body: Iterator[bytes]) -> None:
    """Read what is left after `[DONE]`, so that the connection can be used again."""
    end = time.monotonic() + _DRAIN_SECONDS
    with Watchdog(connection, lambda now: end - now):
        for _ in body:
            pass
