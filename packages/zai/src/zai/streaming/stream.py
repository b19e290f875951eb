# Generated from async_stream.py by generate_sync.py: edit that file, and run `make fix`.
"""A streamed completion, as chunks."""

import time
import weakref
from collections.abc import Generator, Iterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion
from zai.errors import ZaiError
from zai.http.http_client import HttpClient
from zai.http.interruptible import AlreadyRunning, InterruptibleConnection, iter_body
from zai.http.request import Request
from zai.http.retry import Retries
from zai.http.transport import is_sent, transport_exceptions
from zai.streaming.iteration import Chunks, Items
from zai.streaming.reconnect import Reconnect
from zai.streaming.turn import Turn, TurnView

__all__ = ["Stream"]

ChunkT = TypeVar("ChunkT", bound=Chunk)

_DRAIN_SECONDS: Final = 0.1


class Stream(TurnView, Generic[ChunkT]):
    """An iterator of chunks, returned by `create(stream=True)`."""

    def __init__(
        self, turn: Turn, connection: InterruptibleConnection, chunks: Generator[ChunkT, None]
    ) -> None:
        self._turn = turn
        self._connection = connection
        self._chunks = chunks
        iterator = Chunks(chunks)
        turn.iterator = weakref.ref(iterator)
        # Type checkers do not see a method in its slot.
        self._iterator = cast("Iterator[ChunkT]", iterator)

    @classmethod
    def open(cls, client: HttpClient, request: Request) -> Self:
        """Send the request, and return once the response's head has come."""
        retries, connection = Retries(client.max_retries, request.limits), InterruptibleConnection()
        try:
            response = client.send_with(request, retries, connection)
        except BaseException as error:
            if is_sent(error) and (stop := client.stop_request(request, None)) is not None:
                client.send_detached(stop)
            raise
        client.recognise(response)
        turn = Turn(client, request, response, retries)
        chunks = _read(client, turn, connection)
        next(chunks)  # a generator that is dropped cleans up only if it has started
        return cls(turn, connection, chunks)

    # A blocking loop gets the generator itself, which is faster; only a signal handler interrupts its reads.
    def __iter__(self) -> Iterator[ChunkT]:
        return self._iterator if self._turn.is_interrupted else self._chunks

    def __next__(self) -> ChunkT:
        return next(self._iterator)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, which stops the server's work."""
        try:
            self._chunks.close()
        except AlreadyRunning:
            self.cancel()

    def cancel(self) -> None:
        """End the iteration at once, without an error; another thread may call this."""
        self._turn.reader.cancel()
        self._connection.interrupt()

    def text_deltas(self) -> Items[str]:
        """Return an iterator of the deltas of the first choice's text."""
        return Items(_texts(self), lambda: self.snapshot)

    def collect(self) -> Completion:
        """Read to the end and return the completion, earlier chunks included; raise if it is incomplete."""
        for _ in self:
            pass
        self._turn.reader.check()
        return self.snapshot


def _texts(stream: Stream[Any]) -> Generator[str, None]:
    for chunk in stream:
        if chunk.choices and (delta := chunk.choices[0].delta) and delta.content:
            yield delta.content


def _read(client: HttpClient, turn: Turn, connection: InterruptibleConnection) -> Generator[Any, None]:
    """Yield None, so that the generator has started, then the chunks; reconnect where that is possible."""
    reader, deadlines, take = turn.reader, turn.deadlines, turn.reader.take
    transport_errors = transport_exceptions(turn.response)
    reconnect: Reconnect | None = None
    try:
        yield None
        while not turn.is_cancelled:
            failure: ZaiError | None = None
            try:
                if reconnect is not None:
                    turn.switch_to(client.send_once(reconnect.request, turn.retries, connection))
                body = iter_body(turn.response)
                for data in connection.watch(body, deadlines if turn.is_watched else None):
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
                    _drain(body, connection)
            except transport_errors as error:
                failure = turn.translate(error)
            except ZaiError as error:
                failure = error
            connection.detach()
            turn.response.close()
            reconnect = turn.next_reconnect(failure)
            if reconnect is None:
                break
            connection.sleep(reconnect.delay)
    except (GeneratorExit, ZaiError):
        raise
    except BaseException:
        turn.interrupt()
        raise
    finally:
        connection.detach()
        _leave(client, turn)
    reader.check()


def _leave(client: HttpClient, turn: Turn) -> None:
    """Close the connection, and stop the turn unless it has ended."""
    try:
        turn.response.close()
    finally:
        if (request := turn.stop_request()) is not None:
            client.send_detached(request)


def _drain(body: Iterator[bytes], connection: InterruptibleConnection) -> None:
    """Read what follows `[DONE]`, so that the connection can be reused."""
    with connection.deadline(time.monotonic() + _DRAIN_SECONDS):
        for _ in body:
            pass
