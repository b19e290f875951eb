"""A model that runs behind a server: bytes of its response become events in one call stack.

    HEAD ──▶ STREAM ── the reader has the finish ──▶ DRAINING ──▶ OVER
      └────▶ WHOLE ──────── the response ends ──────────────────▶ OVER      stop or an error: from everywhere

The finish reason does not end the stream, since more output may follow. `[DONE]`, the end of the response, or
`_TRAILER_SECONDS` without output after the reason do. A connection is reused only if its response was read to
the end, which may follow `[DONE]` within as many seconds.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Final

import msgspec

from headrace.engines.base import Generation, Listener, Run
from headrace.engines.protocols import Protocol, Reader
from headrace.engines.protocols.chunk_fields import check_text
from headrace.engines.protocols.dialects import AbortEndpoint
from headrace.engines.protocols.error_mapping import MAX_ERROR_BYTES, Upstream, map_response
from headrace.engines.transport import ResponseHead, Transport
from headrace.errors import EngineError, HeadraceError
from headrace.events import Event
from headrace.sse import DONE, SseDecoder, SseEvent
from headrace.wire.decode import is_complete_json

__all__ = ["UpstreamEngine"]

_LOGGER = logging.getLogger("headrace.engines")
_OK: Final = range(200, 300)
_MAX_WHOLE: Final = 64 * 1024 * 1024  # bytes of an answer that is not a stream
_TRAILER_SECONDS: Final = 10.0
_ABORT_SECONDS: Final = 2.0


class UpstreamEngine:
    """See `headrace.engines.base.Engine`.

    Args:
        transport: the way to the server; closed with the engine.
        protocol: the requests and responses of its API.
    """

    def __init__(self, transport: Transport, protocol: Protocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.running = 0
        """How many generations are under way."""

    @property
    def continues(self) -> bool:
        """Whether the server takes the prompt as text."""
        return self._protocol.continues

    def token_limit(self, generation: Generation) -> int | None:
        return self._protocol.token_limit(generation)

    def start(self, generation: Generation, listener: Listener) -> Run:
        """See `Engine`. All chunks of one read become one list, [] where they mean nothing yet.

        Errors of the run:
            RequestError: the server refuses the request.
            LimitError: the server is busy.
            EngineError: it cannot be reached, fails, or ends its response early.
            DecodeError: its response cannot be read.

        Raises:
            RequestError: the protocol cannot express the request.
        """
        run = _UpstreamRun(self, self._transport.upstream, self._protocol.reader(generation), listener)
        self._post(generation, run)
        run.post_within_limits = partial(self._post_within_limits, generation, run)
        self.running += 1
        return run

    def _post(self, generation: Generation, run: "_UpstreamRun") -> None:
        endpoint = self._protocol.dialect.abort
        id = secrets.token_hex(16) if endpoint else ""
        body = self._protocol.encode(generation, id)
        request = run.request = self._transport.post(self._protocol.path, body, run)
        if endpoint:
            run.abort = partial(_Abort, self._transport, endpoint, id, request)

    def _post_within_limits(self, generation: Generation, run: "_UpstreamRun", refusal: str) -> bool:
        """Repeat a request if the server refused it because of its `max_tokens`; return whether it did."""
        fitting = self._protocol.limits.fitting(refusal, self._protocol.max_tokens(generation))
        if fitting is None:
            return False
        request = msgspec.structs.replace(generation.request, max_tokens=fitting)
        self._post(msgspec.structs.replace(generation, request=request), run)
        return True

    async def check(self) -> None:
        """Return if the server responds at all.

        Raises:
            HeadraceError: it does not.
        """
        await self._transport.check()

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()


class _State(Enum):
    HEAD = auto()
    STREAM = auto()
    WHOLE = auto()
    DRAINING = auto()
    OVER = auto()


class _UpstreamRun:
    """A response's listener below, a run above; see the module's docstring."""

    request: Run | None = None
    abort: Callable[[], object] | None = None
    """Stops the request as a server needs it that ignores a disconnect."""
    post_within_limits: Callable[[str], bool] | None = None
    """Sends the request once more, given the refusal, if its `max_tokens` was too large."""

    def __init__(
        self, engine: UpstreamEngine, upstream: Upstream, reader: Reader, listener: Listener
    ) -> None:
        self._engine = engine
        self._upstream = upstream
        self._reader = reader
        self._listener = listener
        self._state = _State.HEAD
        self._head = ResponseHead(0, "")
        self._sse = SseDecoder()
        self._whole = bytearray()
        self._error: HeadraceError | None = None
        self._grace: asyncio.TimerHandle | None = None

    # --- as a run ---------------------------------------------------------------------------------------

    def stop(self) -> None:
        was_running = self._state in (_State.HEAD, _State.STREAM, _State.WHOLE)
        self._state = _State.OVER
        if self.abort is not None and was_running and self._error is None:
            self.abort()
        elif self.request is not None:
            self.request.stop()

    def pause(self) -> None:
        if self.request is not None:
            self.request.pause()

    def resume(self) -> None:
        if self.request is not None:
            self.request.resume()

    # --- as the response's listener ---------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        self._head = head
        if head.status not in _OK or head.content_type == "text/html":
            self._state = _State.WHOLE

    def on_body(self, data: bytes) -> None:
        if self._state is _State.HEAD:
            self._state = self._state_for(data)
        if self._state is not _State.STREAM:
            if self._state is _State.WHOLE:
                self._collect(data)
            return
        events: list[Event] = []
        chunks: list[SseEvent] = []
        try:
            chunks = self._sse.feed(data)
            if self._sse.has_unparsed:
                check_text(
                    self._sse.unparsed
                )  # unknown fields are ignored, but invalid UTF-8 in one is an error
            for chunk in chunks:
                if chunk.event == "error":
                    raise map_response(self._upstream, self._head.status, chunk.data)
                events += self._reader.feed(chunk.data)
                if self._reader.is_finished:
                    break
        except HeadraceError as error:
            self._error = error
        if chunks:
            self._listener.on_events(events)
        if self._error is not None:
            self.stop()
        elif self._reader.is_ending:
            self._expect_end()
        elif self._grace is not None:  # output has followed the finish reason
            self._grace.cancel()
            self._grace = None

    def on_end(self, error: HeadraceError | None) -> None:
        if self._grace is not None:
            self._grace.cancel()
        state, self._state = self._state, _State.OVER
        if state is _State.HEAD and error is None:
            state = _State.WHOLE if self._head.content_type == "application/json" else _State.STREAM
        if state is _State.STREAM and (error is None or self._reader.is_ending):
            self._finish_stream()
        elif state is _State.WHOLE and error is None:
            if self._post_again():
                return
            self._read_whole()
        elif state in (_State.HEAD, _State.STREAM, _State.WHOLE):
            self._error = error
        self._engine.running -= 1
        # The request refers to this listener, and so does the error's traceback.
        reason, self._error, self.request, self.abort = self._error, None, None, None
        self.post_within_limits = None
        if reason is not None and reason.public != reason.message:
            _LOGGER.warning("%s", self._upstream.without_key(reason.message))
        self._listener.on_end(reason)

    @staticmethod
    def _state_for(data: bytes) -> _State:
        """Return the state for the beginning of a body: JSON is not a stream, whatever the header is."""
        begin = data.lstrip()[:1]
        return _State.WHOLE if begin in (b"{", b"[") else _State.STREAM if begin else _State.HEAD

    # --- endings ----------------------------------------------------------------------------------------

    def _expect_end(self) -> None:
        """Bound the wait for what may still follow the finish reason."""
        if self._reader.is_finished:
            self._state = _State.DRAINING
        if self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(_TRAILER_SECONDS, self._expire)

    def _expire(self) -> None:
        if self._state is _State.STREAM:
            self._finish_stream()
        self.stop()

    def _finish_stream(self) -> None:
        """The stream has ended: its last event may lack a blank line; lines that are not SSE may tell why."""
        self._sse.finish()
        last = self._sse.unfinished
        events: list[Event] = []
        try:
            if last is not None and is_complete_json(last.data):
                if last.event == "error":
                    raise map_response(self._upstream, self._head.status, last.data)
                events = self._reader.feed(last.data)
            if self._sse.has_unparsed and not self._reader.is_ending:
                raise map_response(self._upstream, self._head.status, self._sse.unparsed)
            events += self._reader.finish()
        except HeadraceError as error:
            self._error = error
        if events:
            self._listener.on_events(events)

    def _collect(self, data: bytes) -> None:
        """Keep a response that is not a stream, as much of it as is read."""
        self._whole += data
        is_error = self._head.status not in _OK or self._head.content_type != "application/json"
        if is_error and len(self._whole) >= MAX_ERROR_BYTES:
            self._read_whole()
        elif len(self._whole) > _MAX_WHOLE:
            self._error = EngineError(f"the model's server sent an answer of more than {_MAX_WHOLE} bytes")
        if self._error is not None:
            self.stop()

    def _post_again(self) -> bool:
        post, self.post_within_limits = self.post_within_limits, None
        if (
            post is None
            or self._head.status not in (400, 422)
            or not post(self._whole.decode("utf-8", "replace"))
        ):
            return False
        self._state = _State.HEAD
        self._whole.clear()
        return True

    def _read_whole(self) -> None:
        """Read a response that is not a stream: an error, or everything at once."""
        head, body = self._head, bytes(self._whole)
        if head.status not in _OK or b'"choices"' not in body:
            self._error = map_response(self._upstream, head.status, body, head.retry_after)
            return
        try:
            events = [*self._reader.feed(body), *self._reader.feed(DONE)]
        except HeadraceError as error:
            self._error = error
        else:
            self._listener.on_events(events)


class _Abort:
    """Sends an abort to a server that may ignore a disconnect, and closes the connection only then."""

    def __init__(self, transport: Transport, endpoint: AbortEndpoint, id: str, request: Run) -> None:
        self._aborted = request
        body = msgspec.json.encode({endpoint.id_field: id})
        self._request = transport.post(endpoint.path, body, self)
        self._timer = asyncio.get_running_loop().call_later(_ABORT_SECONDS, self._request.stop)

    def on_head(self, head: ResponseHead) -> None:
        pass

    def on_body(self, data: bytes) -> None:
        pass

    def on_end(self, error: HeadraceError | None) -> None:  # noqa: ARG002 - then closing is all that is left
        self._timer.cancel()
        self._aborted.stop()
        del self._aborted, self._request  # the latter refers to this listener
