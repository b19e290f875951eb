"""A streamed answer for asyncio: iterate over its chunks."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from headrace.wire.chunk import Chunk
from headrace.wire.completion import Completion
from zai.errors import ZaiError
from zai.http.async_http_client import AsyncHttpClient
from zai.http.deadlines import Deadlines
from zai.http.request import Request
from zai.http.retry import Retries
from zai.http.transport import iter_body, transport_exceptions
from zai.streaming.turn import Turn, TurnView

__all__ = ["AsyncStream"]

ChunkT = TypeVar("ChunkT", bound=Chunk)

_DRAIN_SECONDS: Final = 0.1


class AsyncStream(TurnView, Generic[ChunkT]):
    """Chunks, each as soon as it is whole. Made by `await create(stream=True)`."""

    def __init__(self, client: AsyncHttpClient, request: Request, response: Any, retries: Retries) -> None:
        self._turn = Turn(client, request, response, retries)
        self._chunks: AsyncGenerator[ChunkT, None] = _read(client, self._turn)

    def __aiter__(self) -> AsyncIterator[ChunkT]:
        return self._chunks

    async def __anext__(self) -> ChunkT:
        return await anext(self._chunks)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave: the connection is closed, and the server stops."""
        try:
            await self._chunks.aclose()
        except RuntimeError:  # another task is reading
            self.cancel()
        await self.response.aclose()

    aclose = close

    def cancel(self) -> None:
        """End the loop that reads, in whichever task of this event loop, quietly and at once."""
        if not self.is_cancelled and self._turn.reading_task is not None:
            self._turn.reading_task.cancel()
        self._turn.reader.cancel()

    async def text_deltas(self) -> AsyncIterator[str]:
        """Only the answer's text, piece by piece."""
        async for chunk in self:
            if chunk.choices and (delta := chunk.choices[0].delta) and delta.content:
                yield delta.content

    async def collect(self) -> Completion:
        """Read to the end; everything that came, from the first chunk on. Half of it raises, each time."""
        async for _ in self:
            pass
        self._turn.reader.check()
        return self.snapshot


async def _read(client: AsyncHttpClient, turn: Turn) -> AsyncGenerator[Any, None]:
    """The chunks, over as many connections as it takes."""
    reader, deadlines, take = turn.reader, turn.deadlines, turn.reader.take
    transport_errors = transport_exceptions(turn.response)
    reconnect = None
    try:
        while not turn.is_cancelled:
            failure: ZaiError | None = None
            turn.reading_task = asyncio.current_task()
            try:
                if reconnect is not None:
                    await asyncio.sleep(reconnect.delay)
                    turn.switch_to(await client.send_once(reconnect.request, turn.retries))
                body = aiter(iter_body(turn.response, asynchronous=True))
                async for data in _timed(body, deadlines) if turn.is_watched else body:
                    if events := reader.feed(data):
                        deadlines.pause()
                        turn.reading_task = None
                        for event in events:
                            if (chunk := take(event)) is not None:
                                yield chunk
                        deadlines.resume(time.monotonic())
                        turn.reading_task = asyncio.current_task()
                    else:
                        turn.check_time()
                    if reader.is_over:
                        break
                turn.reading_task = None
                for event in reader.finish():
                    if (chunk := take(event)) is not None:
                        yield chunk
                turn.reading_task = asyncio.current_task()
                if reader.is_done:
                    await _drain(body)
            except transport_errors as error:
                failure = turn.failure(error)
            except ZaiError as error:
                failure = error
            except asyncio.CancelledError:
                if not reader.is_cancelled or turn.reading_task.uncancel():
                    raise
            turn.reading_task = None
            await turn.response.aclose()
            reconnect = turn.next_reconnect(failure)
            if reconnect is None:
                break
    finally:
        turn.reading_task = None
        await turn.response.aclose()
        if (request := turn.stop_request()) is not None:
            await client.send_ignoring_errors(request)
    reader.check()


async def _timed(body: AsyncIterator[bytes], deadlines: Deadlines) -> AsyncIterator[bytes]:
    """The same pieces; a deadline that passes while one is waited for raises TimeoutError."""
    while True:
        async with asyncio.timeout(deadlines.remaining(time.monotonic())):
            try:
                data = await anext(body)
            except StopAsyncIteration:
                return
        yield data


async def _drain(body: AsyncIterator[bytes]) -> None:
    """Read what is left after `[DONE]`, so that the connection can be used again."""
    async with asyncio.timeout(_DRAIN_SECONDS):
        async for _ in body:
            pass
