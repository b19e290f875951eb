"""A server that parses itself: `POST …/chat/completions`, api.z.ai and another Headrace included.

Our request in the server's dialect; its chunks, in whatever dialect, as our events. Some servers leave
markup in the content (`<think>` at least), so a family's table reads it. Once reasoning or a call has
come in a field of its own, content is content.
"""

from typing import Any, Final

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.calls import CallDelta, CallReader, FunctionDelta
from headrace.engines.protocols.chunk_fields import Ending, Usage, chunk_decoder
from headrace.engines.protocols.dialects import Dialect
from headrace.engines.protocols.error_mapping import Source, map_error
from headrace.engines.protocols.request_fields import response_format_field, sampling_fields
from headrace.engines.protocols.upstream_parsed import UPSTREAM_PARSED
from headrace.events import Content, Event, Reasoning
from headrace.formats import Format
from headrace.parsing import OutputParser
from headrace.parsing.call_buffer import CallBuffer
from headrace.sse import DONE
from headrace.wire.request import ChatRequest, RequestMessage, Thinking

__all__ = ["Chat", "ChatReader"]


class Chat:
    """See `headrace.engines.protocols.base`.

    Args:
        dialect: of the server.
        source: who is asked.
        model: as the server calls it.
        format: of the markup that the server leaves in the content.
    """

    path: Final = "chat/completions"
    continues: Final = False

    def __init__(
        self, dialect: Dialect, source: Source, *, model: str, format: Format = UPSTREAM_PARSED
    ) -> None:
        self._format = format
        self._dialect = dialect
        self._source = source
        self._model = model

    def encode(self, generation: Generation) -> bytes:
        """The body."""
        request = generation.request
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [_message(message) for message in request.messages],
            "stream": True,
            **self._dialect.always,
            **sampling_fields(request, self._dialect),
            **_thinking_fields(request, self._dialect),
        }
        if request.raw_tools:
            body["tools"] = request.raw_tools
            if request.tool_choice != "auto":
                body["tool_choice"] = request.tool_choice
            if request.tool_stream and self._dialect.tool_stream:
                body["tool_stream"] = True
        if request.response_format.type != "text":
            body["response_format"] = response_format_field(request)
        return msgspec.json.encode(body)

    def reader(self, generation: Generation) -> "ChatReader":
        """A fresh reader."""
        request = generation.request
        schemas = request.schemas
        return ChatReader(
            self._source,
            OutputParser(
                self._format, schemas, thinking=request.wants_thinking, tool_stream=request.tool_stream
            ),
            CallReader(schemas),
            None if request.tool_stream else CallBuffer(),
            half_call="stop" if request.stop else "network_error",
        )


def _message(message: RequestMessage) -> dict[str, Any]:
    """Absent fields are left out: not every server takes null for them."""
    plain: dict[str, Any] = {"role": message.role, "content": message.text}
    if message.reasoning_content:
        plain["reasoning_content"] = message.reasoning_content
    if message.tool_calls:
        plain["tool_calls"] = msgspec.to_builtins(message.tool_calls)
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    if message.name:
        plain["name"] = message.name
    return plain


def _thinking_fields(request: ChatRequest, dialect: Dialect) -> dict[str, Any]:
    """`thinking` and `reasoning_effort`, in the dialect's words."""
    effort = {"reasoning_effort": request.reasoning_effort} if request.reasoning_effort else {}
    match dialect.thinking:
        case "object":
            changed = request.thinking != Thinking()
            return effort | ({"thinking": msgspec.to_builtins(request.thinking)} if changed else {})
        case "template":
            variables: dict[str, Any] = {
                "enable_thinking": request.wants_thinking,  # GLM, Qwen
                "thinking": request.wants_thinking,  # DeepSeek
                "clear_thinking": request.thinking.clear_thinking,
                **effort,
            }
            return {"chat_template_kwargs": variables}
        case "effort":
            return effort if request.wants_thinking else {"reasoning_effort": "none"}


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None  # of before there were tools


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Delta | None = None
    message: _Delta | None = None  # of a server that answers whole although a stream was asked for
    finish_reason: str | None = None
    usage: Usage | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Usage | None = None
    error: Any = None


_decode = chunk_decoder(_Chunk)


class ChatReader:
    """Chunks → `Reasoning`, `Content`, calls, and one `Finish`.

    Args:
        source: who answers.
        parser: reads what the server left in the content.
        calls: reads the calls that have a field of their own.
        call_buffer: buffers each call until it is complete; None to stream the arguments.
        half_call: the reason of an answer that is done within a call: the caller's own `stop` may have cut
            it; otherwise the server lost its end.
    """

    def __init__(
        self,
        source: Source,
        parser: OutputParser,
        calls: CallReader,
        call_buffer: CallBuffer | None,
        *,
        half_call: str,
    ) -> None:
        self.is_finished = False
        self._source = source
        self._ending = Ending()
        self._parser = parser
        self._is_parsing = True
        self._was_thinking = False  # in the content that came last
        self._calls = calls
        self._call_buffer = call_buffer
        self._half_call = half_call

    @property
    def is_ending(self) -> bool:
        """The model is done; at most the usage is still to come."""
        return bool(self._ending.reason)

    def feed(self, data: bytes) -> list[Event]:
        """See `Reader`."""
        if data == DONE:
            self._ending.done()
            return self.finish()
        chunk = _decode(data)
        if chunk.error is not None:
            raise map_error(self._source, chunk.error)
        events: list[Event] = self._ending.begin(chunk.usage) if chunk.usage else []
        reason, usage = None, chunk.usage
        for choice in chunk.choices or ():
            if not choice.index:
                events += self._said(choice)
                reason = choice.finish_reason
                usage = usage or choice.usage
        if self._ending.take(reason, usage):
            events += self.finish()
        return events

    def finish(self) -> list[Event]:
        """See `Reader`."""
        if self.is_finished:
            return []
        is_cut_off = self._ending.reason not in ("stop", "tool_calls")
        events = self._end_parsing(stopped=not is_cut_off)
        events += self._held(self._calls.finish(is_cut_off=is_cut_off))
        if self._call_buffer is not None:
            events += self._call_buffer.finish()
        events.append(self._ending.finish(self._reason()))
        self.is_finished = True
        return events

    def _said(self, choice: _Choice) -> list[Event]:
        delta = choice.delta or choice.message
        if delta is None:
            return []
        events: list[Event] = []
        if reasoning := delta.reasoning_content or delta.reasoning:  # some send both, with the same text
            events += [*self._end_parsing(), Reasoning(reasoning)]
        if delta.content:
            events += self._content(delta.content)
        calls = delta.tool_calls or ()
        if delta.function_call and not calls:
            calls = [CallDelta(function=delta.function_call)]
        if calls:
            events += self._end_parsing()
        for call in calls:
            events += self._held(self._calls.feed(call, is_last=bool(choice.finish_reason)))
        if choice.delta and (reasoning or delta.content or calls):
            # As a rule, a delta is a token.
            self._ending.completion_tokens += 1
            self._ending.reasoning_tokens += bool(reasoning) or self._was_thinking
        return events

    def _content(self, text: str) -> list[Event]:
        if not self._is_parsing:
            return [Content(text)]
        self._was_thinking = self._parser.is_reasoning
        events = self._parser.feed(text)
        self._was_thinking |= self._parser.is_reasoning
        return events

    def _end_parsing(self, *, stopped: bool = False) -> list[Event]:
        """What the parser held back comes before anything else."""
        if not self._is_parsing:
            return []
        self._is_parsing = self._was_thinking = False
        return self._parser.finish(stopped=stopped)

    def _held(self, events: list[Event]) -> list[Event]:
        return events if self._call_buffer is None else self._call_buffer.feed(events)

    def _reason(self) -> str:
        """Whether tools were called is told by the calls."""
        if self._ending.reason in ("stop", "tool_calls"):
            if self._calls.is_half:
                return self._half_call
            return "tool_calls" if self._calls.called or self._parser.called_tools else "stop"
        return ""
