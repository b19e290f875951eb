"""A server that parses itself: `POST …/chat/completions`, api.z.ai and another Headrace included.

Our request in the server's dialect; its chunks, in whatever dialect, as our events. Some servers leave
markup in the content (`<think>` at least), so a family's table reads it. Once reasoning or a call has
come in a field of its own, content is content.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.chunk_fields import Ending, Usage, chunk_decoder
from headrace.engines.protocols.dialects import Dialect
from headrace.engines.protocols.error_mapping import Source, map_error
from headrace.engines.protocols.request_fields import response_format_field, sampling_fields
from headrace.engines.protocols.upstream_parsed import UPSTREAM_PARSED
from headrace.errors import EngineError
from headrace.events import CallEvent, Content, Event, Reasoning, ToolCallStart
from headrace.formats import Format
from headrace.parsing import OutputParser
from headrace.parsing.whole_calls import WholeCalls
from headrace.sse import DONE
from headrace.wire.call_assembler import CallAssembler
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
            CallAssembler(schemas),
            None if request.tool_stream else WholeCalls(),
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


class _FunctionDelta(msgspec.Struct):
    name: str | None = None
    arguments: str | dict[str, object] | None = None


class _CallDelta(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: _FunctionDelta | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[_CallDelta] | None = None
    function_call: _FunctionDelta | None = None  # of before there were tools


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
        whole_calls: holds those until they are whole; None lets them leave as they come.
        half_call: the reason of an answer that is done within a call: the caller's own `stop` may have cut
            it; otherwise the server lost its end.
    """

    def __init__(
        self,
        source: Source,
        parser: OutputParser,
        calls: CallAssembler,
        whole_calls: WholeCalls | None,
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
        self._whole_calls = whole_calls
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
        events += self._held(self._calls.finish(self._ending.reason))
        if self._whole_calls is not None:
            events += self._whole_calls.finish()
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
            calls = [_CallDelta(function=delta.function_call)]
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

    def _held(self, events: Sequence[CallEvent]) -> Sequence[Event]:
        if any(isinstance(event, ToolCallStart) and not event.name for event in events):
            msg = f"{self._source.name} sent a tool call without a name"
            raise EngineError(msg)
        return events if self._whole_calls is None else self._whole_calls.feed(events)

    def _reason(self) -> str:
        """Whether tools were called is told by the calls."""
        if self._ending.reason in ("stop", "tool_calls"):
            if self._calls.is_truncated:
                return self._half_call
            return "tool_calls" if self._calls.has_calls or self._parser.called_tools else "stop"
        return ""
