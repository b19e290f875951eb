"""Chunks of `POST …/completions` → events."""

from headrace.engines.protocols.chunk_fields import REPLACEMENT, Ending
from headrace.engines.protocols.completion_chunk import CompletionChoice, CompletionChunk, decode_completion
from headrace.engines.protocols.error_mapping import Upstream, map_error
from headrace.events import Event, Progress, Text
from headrace.sse import DONE

__all__ = ["CompletionReader"]


class CompletionReader:
    """The reader of chunks: emits `Progress`, `Text` and one `Finish`.

    Args:
        upstream: the server, for messages.
        max_tokens: of the request; None if the generation may fill the context.
        has_token_ids: whether the response has token ids.
        ignored: the tokens that end an answer, if the request ignores them: they are no text.
    """

    def __init__(
        self,
        upstream: Upstream,
        max_tokens: int | None,
        *,
        has_token_ids: bool = False,
        ignored: tuple[str, ...] = (),
    ) -> None:
        self.is_finished = False
        self._upstream = upstream
        self._max_tokens = max_tokens
        self.ending = Ending()
        self._emitted_tokens = 0
        self._has_token_ids = has_token_ids
        self._removed = (REPLACEMENT, *ignored)
        self._ids: list[int] = []  # of tokens without text so far
        self._tokens = 1  # of the latest text of `text_in`

    def feed(self, data: bytes) -> list[Event]:
        if data == DONE:
            self.ending.assume_stop()
            return self.finish()
        chunk = decode_completion(data)
        if chunk.error is not None:
            raise map_error(self._upstream, chunk.error)
        if chunk.prompt_progress is not None:
            return [Progress(chunk.prompt_progress.processed, chunk.prompt_progress.total)]
        events = self.ending.take_usage(chunk.usage) if chunk.usage else []
        for choice in chunk.choices or ():
            if not choice.index:
                if ids := choice.prompt_token_ids:
                    events.append(Progress(len(ids), len(ids), tuple(ids) if self._has_token_ids else ()))
                if self._has_token_ids:
                    self._ids += choice.token_ids or (chunk.verbose.tokens if chunk.verbose else ())
                self._count(choice, chunk)
                events += self._emit(choice.text or "")
                if choice.finish_reason:
                    stop = choice.stop_reason or choice.matched_stop
                    word = chunk.verbose.stopping_word if chunk.verbose else None  # llama.cpp
                    self.ending.take_reason(choice.finish_reason, stop or word)
        return events

    def read_texts(self, texts: list[str]) -> list[Event]:
        events: list[Event] = []
        for text in texts:
            self.ending.completion_tokens += self._tokens
            events += self._emit(text)
        return events

    def text_in(self, data: bytes) -> str:
        match decode_completion(data):
            case CompletionChunk(
                choices=[CompletionChoice(text=str(text), finish_reason=None | "", index=None | 0) as choice],
                verbose=None,
                usage=None,
                timings=None,
                prompt_progress=None,
            ) if not (choice.prompt_token_ids or self._has_token_ids):
                self._tokens = 1 if choice.token_ids is None else len(choice.token_ids)
                return text
        return ""

    def finish(self) -> list[Event]:
        if self.is_finished:
            return []
        finish = self.ending.finish(self._reason())
        self.is_finished = True
        return [finish]

    def _count(self, choice: CompletionChoice, chunk: CompletionChunk) -> None:
        """Count the tokens of a chunk, which servers report in different ways."""
        ending = self.ending
        if choice.token_ids is not None:
            ending.completion_tokens += len(choice.token_ids)
        elif chunk.timings is not None:
            ending.completion_tokens = chunk.timings.predicted_n
        elif chunk.verbose is not None and chunk.verbose.tokens_predicted:
            ending.completion_tokens = chunk.verbose.tokens_predicted
        elif chunk.usage and ending.usage and ending.usage.completion >= ending.completion_tokens:
            ending.completion_tokens = ending.usage.completion
        elif choice.text:
            ending.completion_tokens += 1

    def _emit(self, text: str) -> list[Event]:
        """Return the event of a text, with the tokens that were counted since the one before."""
        for removed in self._removed:
            if removed in text:
                text = text.replace(removed, "")
        if not text:
            return []
        ending = self.ending
        ending.is_last = False
        tokens = ending.completion_tokens - self._emitted_tokens
        self._emitted_tokens = ending.completion_tokens
        ids, self._ids = self._ids, []
        # For a character of several tokens, llama.cpp reports the last one only.
        return [Text(text, tokens, tuple(ids) if len(ids) == tokens else ())]

    def _reason(self) -> str:
        """Return the reason of an answer that was cut off before its limit: the context is full."""
        if self.ending.reason != "length" or self.ending.usage is None:
            return ""
        short = self._max_tokens is None or self.ending.usage.completion < self._max_tokens
        return "model_context_window_exceeded" if short else ""
