"""A streamed completion for asyncio, as chunks."""

import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion
from zai.errors import ZaiError
from zai.http.async_http_client import AsyncHttpClient
from zai.http.async_interruptible import AlreadyRunning, AsyncInterruptibleConnection, aiter_body
from zai.http.request import Request
from zai.http.retry import Retries
from zai.http.transport import is_sent, transport_exceptions
from zai.streaming.async_iteration import AsyncChunks, AsyncItems
from zai.streaming.reconnect import Reconnect
from zai.streaming.turn import Turn, TurnView

__all__ = ["AsyncStream"]

ChunkT = TypeVar("ChunkT", bound=Chunk)

_DRAIN_SECONDS: Final = 0.1


class AsyncStream(TurnView, Generic[ChunkT]):
    """An iterator of chunks, returned by `create(stream=True)`."""

    def __init__(
        self, turn: Turn, connection: AsyncInterruptibleConnection, chunks: AsyncGenerator[ChunkT, None]
    ) -> None:
        self._turn = turn
        self._connection = connection
        self._chunks = chunks
        iterator = AsyncChunks(chunks)
        turn.iterator = weakref.ref(iterator)
        # Type checkers do not see a method in its slot.
        self._iterator = cast("AsyncIterator[ChunkT]", iterator)

    @classmethod
    async def open(cls, client: AsyncHttpClient, request: Request) -> Self:
        """Send the request, and return once the response's head has come."""
        retries, connection = Retries(client.max_retries, request.limits), AsyncInterruptibleConnection()
        try:
            response = await client.send_with(request, retries, connection)
        except BaseException as error:
            if is_sent(error) and (stop := client.stop_request(request, None)) is not None:
                await client.send_detached(stop)
            raise
        client.recognise(response)
        turn = Turn(client, request, response, retries)
        chunks = _read(client, turn, connection)
        await anext(chunks)  # a generator that is dropped cleans up only if it has started
        return cls(turn, connection, chunks)

    # A blocking loop gets the generator itself, which is faster; only a signal handler interrupts its reads.
    def __aiter__(self) -> AsyncIterator[ChunkT]:
        # sync: `return self._iterator if self._turn.is_interrupted else self._chunks`
        return self._iterator

    async def __anext__(self) -> ChunkT:
        return await anext(self._iterator)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, which stops the server's work."""
        try:
            await self._chunks.aclose()
        except AlreadyRunning:
            self.cancel()

    aclose = close

    def cancel(self) -> None:
        """End the iteration at once, without an error; another task of the event loop may call this."""
        self._turn.reader.cancel()
        self._connection.interrupt()

    def text_deltas(self) -> AsyncItems[str]:
        """Return an iterator of the deltas of the first choice's text."""
        return AsyncItems(_texts(self), lambda: self.snapshot)

    async def collect(self) -> Completion:
        """Read to the end and return the completion, earlier chunks included; raise if it is incomplete."""
        async for _ in self:
            pass
        self._turn.reader.check()
        return self.snapshot


async def _texts(stream: AsyncStream[Any]) -> AsyncGenerator[str, None]:
    async for chunk in stream:
        if chunk.choices and (delta := chunk.choices[0].delta) and delta.content:
            yield delta.content


async def _read(
    client: AsyncHttpClient, turn: Turn, connection: AsyncInterruptibleConnection
) -> AsyncGenerator[Any, None]:
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
                    turn.switch_to(await client.send_once(reconnect.request, turn.retries, connection))
                body = aiter_body(turn.response)
                async for data in connection.watch(body, deadlines if turn.is_watched else None):
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
                    await _drain(body, connection)
            except transport_errors as error:
                failure = turn.translate(error)
            except ZaiError as error:
                failure = error
            connection.detach()
            await turn.response.aclose()
            reconnect = turn.next_reconnect(failure)
            if reconnect is None:
                break
            await connection.sleep(reconnect.delay)
    except (GeneratorExit, ZaiError):
        raise
    except BaseException:
        turn.interrupt()
        raise
    finally:
        connection.detach()
        await _leave(client, turn)
    reader.check()


async def _leave(client: AsyncHttpClient, turn: Turn) -> None:
    """Close the connection, and stop the turn unless it has ended."""
    try:
        await turn.response.aclose()
    finally:
        if (request := turn.stop_request()) is not None:
            await client.send_detached(request)


async def _drain(body: AsyncIterator[bytes], connection: AsyncInterruptibleConnection) -> None:
    """Read what follows `[DONE]`, so that the connection can be reused."""
    async with connection.deadline(time.monotonic() + _DRAIN_SECONDS):
        async for _ in body:
            pass
