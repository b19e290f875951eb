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

from headrace.engines.abort import Abort
from headrace.engines.base import Generation, Listener, Run
from headrace.engines.calls import Call, CallTimer, is_failure
from headrace.engines.protocols import Protocol, Reader
from headrace.engines.protocols.chunk_fields import check_text
from headrace.engines.protocols.error_mapping import MAX_ERROR_BYTES, Upstream, map_response
from headrace.engines.protocols.event_pattern import EventPattern
from headrace.engines.token_counts import count_tokens
from headrace.engines.transport import PostedRequest, ResponseHead, Transport
from headrace.errors import EngineError, HeadraceError, RequestError
from headrace.events import Event, Progress
from headrace.sse import DONE, SseDecoder, SseEvent, encode_event
from headrace.wire.decode import is_complete_json

__all__ = ["UpstreamEngine"]

_LOGGER = logging.getLogger("headrace.engines")
_OK: Final = range(200, 300)
_MAX_WHOLE: Final = 64 * 1024 * 1024  # bytes of an answer that is not a stream
_TRAILER_SECONDS: Final = 10.0
_COUNT_PAUSE: Final = 60.0  # seconds
_REFUSALS: Final = (400, 422, 500)  # 500 is llama-server's, if the chat template rejects the messages
_RETRIES: Final = 2  # of a refused request: `max_tokens` and the messages may need another form


class UpstreamEngine:
    """See `headrace.engines.base.Engine`.

    Args:
        transport: the way to the server; closed with the engine.
        protocol: the requests and responses of its API.
        forwards_mesh: send the headers of clients by which a service mesh recognizes requests.
    """

    def __init__(self, transport: Transport, protocol: Protocol, *, forwards_mesh: bool = False) -> None:
        self._transport = transport
        self._forwards_mesh = forwards_mesh
        self._protocol = protocol
        self.running = 0
        """How many generations are under way."""
        self.is_failing = False
        """Whether the last call or check has failed."""
        self.on_call: Callable[[Call], None] = lambda _: None
        """Called at the end of each call."""
        self._counts_from = 0.0  # the time at which prompts are counted again
        self._latest: _UpstreamRun | None = None

    @property
    def continues(self) -> bool:
        """Whether the server takes the prompt as text."""
        return self._protocol.continues

    def token_limit(self, generation: Generation) -> int | None:
        return self._protocol.token_limit(generation)

    async def count_tokens(self, generation: Generation) -> int:
        """See `Engine`."""
        counting = self._protocol.encode_count(generation)
        if counting is None:
            msg = "the model's server does not count tokens"
            raise RequestError(msg, code="1212", status=404)
        try:
            return await count_tokens(self._transport, *counting)
        except HeadraceError as error:
            revised = self._protocol.revised(generation, error.message)
            if revised is None or (counting := self._protocol.encode_count(revised)) is None:
                raise
        return await count_tokens(self._transport, *counting)

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
        self._latest = run
        # A server that takes text reports the number itself, before its first output.
        if generation.request.counts_prompt and not self.continues:
            run.counting = asyncio.get_running_loop().create_task(self._count_prompt(generation, run))
        self.running += 1
        return run

    async def _count_prompt(self, generation: Generation, run: "_UpstreamRun") -> None:
        """Count beside the request itself, which does not wait for it; after a failure, not for a while."""
        now = asyncio.get_running_loop().time()
        if now < self._counts_from:
            return
        try:
            run.prompt_counted(await self.count_tokens(generation))
        except HeadraceError:
            if self._protocol.encode_count(generation) is not None:  # otherwise it is only this prompt
                self._counts_from = now + _COUNT_PAUSE

    def _post(self, generation: Generation, run: "_UpstreamRun", retries: int = _RETRIES) -> None:
        endpoint = self._protocol.dialect.abort
        id = secrets.token_hex(16) if endpoint else ""
        body = self._protocol.encode(generation, id)
        request = run.request = self._transport.post(
            self._protocol.path, body, run, self._headers(generation)
        )
        run.post_again = partial(self._post_again, generation, run, retries - 1) if retries else None
        if endpoint:
            run.abort = partial(Abort, self._transport, endpoint, id, request)

    def _headers(self, generation: Generation) -> list[tuple[bytes, bytes]]:
        headers = {b"x-request-id": generation.turn.encode()} if generation.turn else {}
        if generation.trace is not None:
            headers |= generation.trace.headers
            if self._forwards_mesh:
                headers |= generation.trace.mesh_headers
        return list(headers.items())

    def _post_again(self, generation: Generation, run: "_UpstreamRun", retries: int, refusal: str) -> bool:
        """Repeat a refused request in the form that the server accepts; return whether there is one."""
        if (revised := self._protocol.revised(generation, refusal)) is None:
            return False
        self._post(revised, run, retries)
        return True

    def measure(self, report: Callable[[float], None]) -> None:
        """Report the seconds that the next part of the latest answer takes here, if one arrives."""
        if (run := self._latest) is not None and run.request is not None:
            run.request.measure(report)

    def ended(self, run: "_UpstreamRun", call: Call) -> None:
        """Note the end of a call."""
        self.running -= 1
        if self._latest is run:
            self._latest = None
        if call.finish_reason or call.error is not None:  # otherwise it was stopped
            self.is_failing = is_failure(call.error)
        self.on_call(call)

    async def check(self) -> None:
        """Return if the server responds at all.

        Raises:
            HeadraceError: it does not.
        """
        try:
            await self._transport.check()
        except HeadraceError:
            self.is_failing = True
            raise
        self.is_failing = False

    async def close(self) -> None:
        """Close every connection."""
        await self._transport.close()


class _State(Enum):
    HEAD = auto()
    STREAM = auto()
    WHOLE = auto()
    DRAINING = auto()
    OVER = auto()


_HEAD, _STREAM, _WHOLE, _DRAINING, _OVER = _State  # Python 3.11 takes long to find a member


class _UpstreamRun:
    """A response's listener below, a run above; see the module's docstring."""

    request: PostedRequest | None = None
    abort: Callable[[], object] | None = None
    """Stops the request as a server needs it that ignores a disconnect."""
    post_again: Callable[[str], bool] | None = None
    """Sends the request once more, given the refusal, if the server accepts it in another form."""
    counting: asyncio.Task[None] | None = None
    """Counts the tokens of the prompt."""

    def __init__(
        self, engine: UpstreamEngine, upstream: Upstream, reader: Reader, listener: Listener
    ) -> None:
        self._engine = engine
        self._timer = CallTimer()
        self._upstream = upstream
        self._reader = reader
        self._listener = listener
        self._state = _HEAD
        self._head = ResponseHead(0, "")
        self._sse = SseDecoder()
        self._pattern = EventPattern()
        self._whole = bytearray()
        self._error: HeadraceError | None = None
        self._grace: asyncio.TimerHandle | None = None

    # --- as a run ---------------------------------------------------------------------------------------

    def stop(self) -> None:
        was_running = self._state in (_HEAD, _STREAM, _WHOLE)
        self._state = _OVER
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

    def prompt_counted(self, tokens: int) -> None:
        """Report the tokens of the prompt, unless there was output."""
        if self._state is _HEAD:
            self._listener.on_events([Progress(tokens, tokens)])

    # --- as the response's listener ---------------------------------------------------------------------

    def on_head(self, head: ResponseHead) -> None:
        self._head = head
        if head.status not in _OK or head.content_type == "text/html":
            self._state = _WHOLE
        else:
            self.post_again = None  # it keeps the generation

    def on_body(self, data: bytes) -> None:
        if self._state is not _STREAM and not self._begin_stream(data):
            return
        if texts := self._pattern.texts_of(data):
            self._listener.on_events(self._reader.read_texts(texts))
        else:
            self._read(data)

    def _read(self, data: bytes) -> None:
        """Read any part of a stream; `on_body` reads events that differ from the one before in their text."""
        reader = self._reader
        events: list[Event] = []
        chunks: list[SseEvent] = []
        try:
            chunks = self._sse.feed(data)
            if self._sse.has_unparsed:  # unknown fields are ignored, but invalid UTF-8 in one is an error
                check_text(self._sse.unparsed)
            for chunk in chunks:
                if chunk.event == "error":
                    raise map_response(self._upstream, self._head.status, chunk.data)
                events += reader.feed(chunk.data)
                if reader.is_finished:
                    break
        except HeadraceError as error:
            self._error = error
        if chunks:
            self._listener.on_events(events)
        if self._error is not None:
            self.stop()
        elif reader.ending.is_last:
            self._expect_end()
        elif self._grace is not None:  # output has followed the finish reason
            self._grace.cancel()
            self._grace = None
        if self._pattern.tries:
            last = chunks[-1].data if chunks and not reader.ending.is_last else b""
            self._pattern.learn(last if data.endswith(encode_event(last)) else b"", reader.text_in)

    def on_end(self, error: HeadraceError | None) -> None:
        if self._grace is not None:
            self._grace.cancel()
        state, self._state = self._state, _OVER
        if state is _HEAD and error is None:
            state = _WHOLE if self._head.content_type == "application/json" else _STREAM
        if state is _STREAM and (error is None or self._reader.ending.is_last):
            self._finish_stream()
        elif state is _WHOLE and error is None:
            if self._post_again():
                return
            self._read_whole()
        elif state in (_HEAD, _STREAM, _WHOLE):
            self._error = error
        if self.counting is not None:
            self.counting.cancel()
            self.counting = None
        self._engine.ended(self, self._timer.end(self._reader.ending.reason, self._error))
        # The request refers to this listener, and so does the error's traceback.
        reason, self._error, self.request, self.abort = self._error, None, None, None
        self.post_again = None
        if reason is not None and reason.public != reason.message:
            _LOGGER.warning("%s", self._upstream.without_key(reason.message))
        self._listener.on_end(reason)

    def _begin_stream(self, data: bytes) -> bool:
        """Return whether a body that begins so is a stream: JSON is not, whatever the header is."""
        if self._state is _HEAD and (begin := data.lstrip()[:1]):
            self._state = _WHOLE if begin in (b"{", b"[") else _STREAM
            self._timer.first_chunk()
        if self._state is _WHOLE:
            self._collect(data)
        return self._state is _STREAM

    # --- endings ----------------------------------------------------------------------------------------

    def _expect_end(self) -> None:
        """Bound the wait for what may still follow the finish reason."""
        if self._reader.is_finished:
            self._state = _DRAINING
        if self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(_TRAILER_SECONDS, self._expire)

    def _expire(self) -> None:
        if self._state is _STREAM:
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
            if self._sse.has_unparsed and not self._reader.ending.is_last:
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
        if (
            self.post_again is None
            or self._head.status not in _REFUSALS
            or not self.post_again(self._whole.decode("utf-8", "replace"))
        ):
            return False
        self._state = _HEAD
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
