"""A model that runs behind a server: one protocol, one transport, and the loop between them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from headrace.engines.base import Generation
from headrace.engines.protocols import Protocol, Reader
from headrace.engines.protocols.chunk_fields import check_text
from headrace.engines.protocols.error_mapping import refusal
from headrace.engines.transport import Answer, Transport
from headrace.errors import EngineError, HeadraceError
from headrace.events import Event
from headrace.sse import SseDecoder, SseEvent

__all__ = ["UpstreamEngine"]

_OK: Final = 200
_MAX_WHOLE: Final = 64 * 1024 * 1024
_NO_STREAM: Final = ("application/json", "text/html")
_LAST_WORDS: Final = 2.0  # seconds that a usage may come later than the end, and `[DONE]` than both


class UpstreamEngine:
    """See `headrace.engines.base`.

    Args:
        transport: the way to the server; closed with the engine.
        protocol: how it is spoken with.
    """

    def __init__(self, transport: Transport, protocol: Protocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.running = 0
        """How many generations are under way."""

    @property
    def continues(self) -> bool:
        """Where the server takes the prompt as text."""
        return self._protocol.continues

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """All chunks of one read leave as one list, an empty one where they say nothing yet.

        Raises:
            RequestError: the server, or the protocol, refuses the request.
            LimitError: the server is busy.
            EngineError: it cannot be reached, fails, or ends its answer early.
            DecodeError: it says what cannot be read.
        """
        body = self._protocol.encode(generation)
        reader = self._protocol.reader(generation)
        answer: Answer | None = None
        self.running += 1
        try:
            answer = await self._transport.post(self._protocol.path, body)
            if answer.status != _OK or answer.content_type in _NO_STREAM:
                yield await self._whole(answer, reader)
                return
            frames = SseDecoder()
            while not reader.is_finished:
                data = await _read(answer, reader)
                chunks = frames.feed(data)
                events, error = self._feed(chunks, frames, reader) if data else self._end(frames, reader)
                if events or chunks:
                    yield events
                if error is not None:
                    raise error
            await _drain(answer)
        finally:
            self.running -= 1
            if answer is not None:
                answer.close()

    async def check(self) -> None:
        """Whether the server answers at all.

        Raises:
            HeadraceError: it does not.
        """
        await self._transport.check()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    def _feed(
        self, chunks: list[SseEvent], frames: SseDecoder, reader: Reader
    ) -> tuple[list[Event], HeadraceError | None]:
        """The events, and what went wrong after them."""
        events: list[Event] = []
        try:
            check_text(frames.stray)  # a field that nobody knows means nothing, but garbage may have been one
            for chunk in chunks:
                if chunk.event == "error":
                    raise refusal(self._transport.source, _OK, chunk.data)
                events += reader.feed(chunk.data)
                if reader.is_finished:
                    break
        except HeadraceError as error:
            return events, error
        return events, None

    def _end(self, frames: SseDecoder, reader: Reader) -> tuple[list[Event], HeadraceError | None]:
        """The answer has ended; lines that are no stream may tell why."""
        frames.finish()
        if frames.stray and not reader.is_ending:
            return [], refusal(self._transport.source, _OK, frames.stray)
        try:
            return reader.finish(), None
        except HeadraceError as error:
            return [], error

    async def _whole(self, answer: Answer, reader: Reader) -> list[Event]:
        """An answer that is no stream: an error, or everything at once."""
        body = b""
        while (data := await answer.read()) and len(body) < _MAX_WHOLE:
            body += data
        if answer.status != _OK or b'"choices"' not in body:
            raise refusal(self._transport.source, answer.status, body, answer.retry_after)
        events = reader.feed(body)
        return events if reader.is_finished else events + reader.finish()


async def _read(answer: Answer, reader: Reader) -> bytes:
    """The next bytes; b"" at the end, or when what may still come takes too long."""
    if not reader.is_ending:
        return await answer.read()
    try:
        async with asyncio.timeout(_LAST_WORDS):
            return await answer.read()
    except (TimeoutError, EngineError):
        return b""


async def _drain(answer: Answer) -> None:
    """A connection can be used again only if the answer's end has been read."""
    try:
        async with asyncio.timeout(_LAST_WORDS):
            while await answer.read():
                pass
    except (TimeoutError, EngineError):
        pass
