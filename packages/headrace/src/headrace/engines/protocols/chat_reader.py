"""Chunks of `POST …/chat/completions` → events, in the variants of all servers."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from headrace.engines.protocols.chat_chunk import UsualChunk, UsualDelta, decode_usual, stop_of
from headrace.engines.protocols.chunk_fields import CUT_OFF, REPLACEMENT, Ending, check_text, undecodable
from headrace.engines.protocols.error_mapping import Upstream, map_error
from headrace.errors import DecodeError, EngineError
from headrace.events import CallEvent, Content, Event, Reasoning, ToolCallStart
from headrace.parsing import OutputParser
from headrace.parsing.call_buffer import CallBuffer
from headrace.sse import DONE, SseEvent, separate
from headrace.wire.call_assembler import CallAssembler, CallDelta, FunctionDelta
from headrace.wire.chunk import Chunk, ChunkChoice, ToolCallDelta, text_of
from headrace.wire.decode import STRICT_ERRORS, decode_chunk

__all__ = ["ChatReader"]

_MAX_CALLS: Final = 1024  # in one chunk


_TEXTS: Final = (Reasoning, Content)


class ChatReader:
    """The reader of chunks: emits `Reasoning`, `Content`, calls, and one `Finish`.

    Args:
        upstream: the server, for messages.
        new_parser: creates the parser of the content, if there is any.
        calls: assembles the calls that are not in the content.
        call_buffer: buffers those until they are complete; None emits them incrementally.
        truncated_call_reason: the finish reason of an answer that ends within a call: either the caller's
            `stop` cut it off, or the server lost its end.
        limit: tokens below which an answer that is cut off has filled the context; 0 if that is unknown.
        line_ends: whether the line ends before reasoning and content are kept.
    """

    def __init__(
        self,
        upstream: Upstream,
        new_parser: Callable[[], OutputParser],
        calls: CallAssembler,
        call_buffer: CallBuffer | None,
        *,
        truncated_call_reason: str,
        limit: int,
        line_ends: bool,
    ) -> None:
        self.is_finished = False
        self._upstream = upstream
        self.ending = Ending()
        self._new_parser: Callable[[], OutputParser] | None = new_parser  # it keeps 300 bytes
        self._parser: OutputParser | None = None
        self._is_parsing = True
        self._kind: type[Reasoning | Content] = Content  # of the latest text of `text_in`
        self._call: CallDelta | None = None  # whose arguments it is, if it is arguments
        self._last_parsed: type[Reasoning | Content] | None = None
        self._was_thinking = False  # in the last delta's content
        self._calls = calls
        self._call_buffer = call_buffer
        self._truncated_call_reason = truncated_call_reason
        self._limit = limit
        self._line_ends = line_ends

    def feed(self, data: bytes) -> list[Event]:
        if not data.isascii():
            check_text(data)  # msgspec does not validate what it skips
        chunk: UsualChunk | Chunk
        try:
            chunk = decode_usual(data)
        except STRICT_ERRORS:
            if data.strip() == DONE:
                self.ending.assume_stop()
                return self.finish()
            if len(lines := separate(SseEvent(data))) > 1:
                return [event for line in lines for event in self.feed(line.data)]
            chunk = self._decode_variant(data)
        if chunk.choices is None and not chunk.usage:  # perhaps an error in a form of its own
            chunk = self._decode_variant(data)
        events = self.ending.take_usage(chunk.usage) if chunk.usage else []
        choices: Any = chunk.choices or ()  # in variants, fields may have other types than declared
        for choice in choices:
            if not choice.index:
                self._read(choice, events)
                if choice.finish_reason:
                    self.ending.take_reason(choice.finish_reason, stop_of(choice))
        if chunk.usage and not chunk.choices and self.ending.usage:  # it precedes the end of the stream only
            self.ending.assume_stop()
        return events

    def finish(self) -> list[Event]:
        if self.is_finished:
            return []
        is_cut_off = self.ending.reason in CUT_OFF
        events = self._end_parsing(stopped=not is_cut_off)
        events += self._buffered(self._calls.finish(self.ending.reason if is_cut_off else "stop"))
        events.append(self.ending.finish(self._reason()))
        self.is_finished = True
        return events

    def _decode_variant(self, data: bytes) -> Chunk:
        """Decode what is not the usual chunk: another server's variant, or an error."""
        try:
            chunk = decode_chunk(data, has_output=self.ending.has_output)
        except DecodeError as error:
            raise undecodable(data, error) from None
        if sent := chunk.get("error"):
            raise map_error(self._upstream, sent)
        return chunk

    def _read(self, choice: Any, events: list[Event]) -> None:
        """Add the events of a `UsualChoice` or a `ChunkChoice`."""
        delta = choice.delta
        if delta is None:
            return
        # Some servers send both; a variant's `reasoning` has been copied.
        reasoning = delta.reasoning_content or (type(delta) is UsualDelta and delta.reasoning)
        if reasoning:
            if self._is_parsing:
                events += self._end_parsing()
            text = reasoning if type(reasoning) is str else text_of(reasoning)
            events += self._cleaned_text(Reasoning, text)
        content = delta.content or delta.refusal
        if content:
            text = content if type(content) is str else text_of(content)
            events += self._parse(text) if self._is_parsing else self._cleaned_text(Content, text)
        if delta.tool_calls:
            events += self._read_calls(delta.tool_calls, is_last=bool(choice.finish_reason))
        if reasoning or content or delta.tool_calls:
            ending = self.ending
            ending.is_last = False
            if type(choice) is ChunkChoice and choice.get("message"):
                ending.has_message = True
                return
            ending.completion_tokens += 1  # usually a delta is one token
            if reasoning or self._was_thinking:
                ending.reasoning_tokens += 1

    def text_in(self, data: bytes) -> str:
        chunk = decode_usual(data)
        choice = chunk.choices[0] if chunk.choices and len(chunk.choices) == 1 else None
        if choice is None or choice.index or choice.finish_reason or chunk.usage:
            return ""
        self._call = None
        match choice.delta:
            case UsualDelta(str(text), None | "", None | "", None):
                self._kind = Content
            case UsualDelta(None | "", str(text), None | "", None):
                self._kind = Reasoning
            case UsualDelta(
                None | "", None | "", None | "", [CallDelta(_, None, FunctionDelta(None, str(text))) as call]
            ):
                self._call = call
                return text
            case _:
                return ""
        is_next = self._kind is self._last_parsed  # the first text of a kind loses its line ends
        return text if is_next or (self._is_parsing and self._kind is Content) else ""

    def read_texts(self, texts: list[str]) -> list[Event]:
        kind, ending = self._kind, self.ending
        ending.completion_tokens += len(texts)
        if self._call is not None:
            return self._read_arguments(self._call, texts)
        if kind is Reasoning:
            ending.reasoning_tokens += len(texts)
        elif self._is_parsing:
            return self._parse_all(texts)
        if REPLACEMENT in "".join(texts):
            return [event for text in texts for event in self._cleaned_text(kind, text)]
        return list(map(kind, texts))

    def _read_arguments(self, call: CallDelta, texts: list[str]) -> list[Event]:
        events: list[Event] = []
        for text in texts:
            call.function.arguments = text  # type: ignore[union-attr]  # see `text_in`
            events += self._buffered(self._calls.feed(call))
        return events

    def _parse_all(self, texts: list[str]) -> list[Event]:
        events: list[Event] = []
        for text in texts:
            events += self._parse(text)
            self.ending.reasoning_tokens += self._was_thinking
        return events

    def _read_calls(self, calls: Sequence[CallDelta | ToolCallDelta], *, is_last: bool) -> list[Event]:
        if len(calls) > _MAX_CALLS:
            msg = f"the model's server sent {len(calls)} tool calls in one chunk"
            raise EngineError(f"{msg}; at most {_MAX_CALLS} are read")
        events = self._end_parsing()
        for call in calls:
            events += self._buffered(self._calls.feed(call, is_last=is_last))
        return events

    def _parse(self, text: str) -> list[Event]:
        parser = self._parser or self._create_parser()
        self._was_thinking = parser.is_reasoning
        events = parser.feed(text)
        self._was_thinking |= parser.is_reasoning
        return events if self._last_parsed is Content and REPLACEMENT not in text else self._cleaned(events)

    def _create_parser(self) -> OutputParser:
        assert self._new_parser is not None
        self._parser = self._new_parser()
        self._new_parser = None
        return self._parser

    def _cleaned_text(self, kind: type[Reasoning | Content], text: str) -> list[Event]:
        """Return text that the server has parsed, without the line ends before it and invalid UTF-8."""
        if REPLACEMENT in text:
            text = text.replace(REPLACEMENT, "")
        if kind is not self._last_parsed:
            text = text if self._line_ends else text.lstrip("\n")
            if text:
                self._last_parsed = kind
        return [kind(text)] if text else []

    def _end_parsing(self, *, stopped: bool = False) -> list[Event]:
        """Return what the parser held back: it precedes everything else."""
        if not self._is_parsing:
            return []
        self._is_parsing = self._was_thinking = False
        self._new_parser = None
        return self._cleaned(self._parser.finish(stopped=stopped)) if self._parser else []

    def _cleaned(self, events: Sequence[Event]) -> list[Event]:
        cleaned: list[Event] = []
        for event in events:
            if isinstance(event, _TEXTS):
                cleaned += self._cleaned_text(type(event), event.text)
            else:
                cleaned.append(event)
        return cleaned

    def _buffered(self, events: Sequence[CallEvent]) -> Sequence[Event]:
        for event in events:
            if type(event) is ToolCallStart and not event.name:
                msg = "the model's server sent a tool call without a name"
                raise EngineError(msg)
        return events if self._call_buffer is None else self._call_buffer.feed(events)

    def _reason(self) -> str:
        """Return the finish reason; the calls themselves show whether it is `tool_calls`."""
        reason, usage = self.ending.reason, self.ending.usage
        if reason == "length" and usage and usage.completion < self._limit:
            return "model_context_window_exceeded"
        if reason in CUT_OFF:
            return reason
        if self._calls.is_truncated:
            return self._truncated_call_reason
        if self._calls.has_calls or (self._parser and self._parser.called_tools):
            return "tool_calls"
        return "stop" if reason == "tool_calls" else reason
