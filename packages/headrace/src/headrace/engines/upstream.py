"""A model behind a server: a protocol, a transport, and the loop between them."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final
from uuid import uuid4

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols import Protocol, Reader
from headrace.engines.protocols.chunk_fields import check_text
from headrace.engines.protocols.error_mapping import map_response
from headrace.engines.transport import Transport, UpstreamResponse
from headrace.errors import EngineError, HeadraceError
from headrace.events import Event
from headrace.sse import SseDecoder, SseEvent

__all__ = ["UpstreamEngine"]

_OK: Final = 200
_MAX_BODY: Final = 64 * 1024 * 1024
_NO_STREAM: Final = ("application/json", "text/html")
_TRAILER_SECONDS: Final = 2.0  # from the finish reason to the usage, and from there to the end of the body
_ABORT_SECONDS: Final = 2.0


class UpstreamEngine:
    """The engine of an upstream server.

    Args:
        transport: the server's; closed with the engine.
        protocol: the server's.
    """

    def __init__(self, transport: Transport, protocol: Protocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.running = 0
        """The number of current generations."""

    @property
    def continues(self) -> bool:
        """Whether the protocol sends the prompt as text."""
        return self._protocol.continues

    async def generate(self, generation: Generation) -> AsyncGenerator[list[Event], None]:
        """Emit the events of each read as one list, which is empty if its chunks carry none.

        Raises:
            RequestError: the server or the protocol rejects the request.
            LimitError: the server is busy.
            EngineError: the server is unreachable, fails, or ends the stream early.
            DecodeError: the server sends data that cannot be decoded.
        """
        id = uuid4().hex
        body = self._protocol.encode(generation, id)
        reader = self._protocol.reader(generation)
        response: UpstreamResponse | None = None
        self.running += 1
        try:
            response = await self._transport.post(self._protocol.path, body)
            if response.status != _OK or response.content_type in _NO_STREAM:
                yield await self._read_body(response, reader)
                return
            decoder = SseDecoder()
            while not reader.is_finished:
                data = await _read(response, reader)
                chunks = decoder.feed(data)
                events, error = self._feed(chunks, decoder, reader) if data else self._end(decoder, reader)
                if events or chunks:
                    yield events
                if error is not None:
                    raise error
            await _drain(response)
        except (asyncio.CancelledError, GeneratorExit):
            await self._abort(id)
            raise
        finally:
            self.running -= 1
            if response is not None:
                response.close()

    async def check(self) -> None:
        """Check whether the server responds.

        Raises:
            HeadraceError: it does not.
        """
        await self._transport.check()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _abort(self, id: str) -> None:
        """Send an abort to a server that may ignore a disconnect, while the connection is still open."""
        endpoint = self._protocol.dialect.abort
        if endpoint is None:
            return
        body = msgspec.json.encode({endpoint.id_field: id})
        response: UpstreamResponse | None = None
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                response = await self._transport.post(endpoint.path, body)
                await _drain(response)
        except (TimeoutError, EngineError):
            pass  # closing the connection is all that is left
        finally:
            if response is not None:
                response.close()

    def _feed(
        self, chunks: list[SseEvent], decoder: SseDecoder, reader: Reader
    ) -> tuple[list[Event], HeadraceError | None]:
        """Return the events, and the error that follows them."""
        events: list[Event] = []
        try:
            check_text(decoder.unparsed)  # unknown SSE fields are ignored, but not invalid UTF-8 in one
            for chunk in chunks:
                if chunk.event == "error":
                    raise map_response(self._transport.upstream, _OK, chunk.data)
                events += reader.feed(chunk.data)
                if reader.is_finished:
                    break
        except HeadraceError as error:
            return events, error
        return events, None

    def _end(self, decoder: SseDecoder, reader: Reader) -> tuple[list[Event], HeadraceError | None]:
        """End the stream; lines that are not SSE may be an error message."""
        decoder.finish()
        if decoder.unparsed and not reader.is_ending:
            return [], map_response(self._transport.upstream, _OK, decoder.unparsed)
        try:
            return reader.finish(), None
        except HeadraceError as error:
            return [], error

    async def _read_body(self, response: UpstreamResponse, reader: Reader) -> list[Event]:
        """Read a response that is not a stream: an error, or a completion."""
        body = b""
        while (data := await response.read()) and len(body) < _MAX_BODY:
            body += data
        if response.status != _OK or b'"choices"' not in body:
            raise map_response(self._transport.upstream, response.status, body, response.retry_after)
        events = reader.feed(body)
        return events if reader.is_finished else events + reader.finish()


async def _read(response: UpstreamResponse, reader: Reader) -> bytes:
    """Read; return b"" at the end, and after the finish reason also on a timeout or a lost connection."""
    if not reader.is_ending:
        return await response.read()
    try:
        async with asyncio.timeout(_TRAILER_SECONDS):
            return await response.read()
    except (TimeoutError, EngineError):
        return b""


async def _drain(response: UpstreamResponse) -> None:
    """Read to the end of the body, which a connection needs to be kept alive."""
    try:
        async with asyncio.timeout(_TRAILER_SECONDS):
            while await response.read():
                pass
    except (TimeoutError, EngineError):
        pass
