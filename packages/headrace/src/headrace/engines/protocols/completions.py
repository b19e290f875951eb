"""Raw text from `POST …/completions`: the prompt is ours, and so is the reading of what comes back.

vLLM, SGLang, llama-server and others offer it; llama.cpp in this process speaks the same JSON.
"""

from typing import Any, Final

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.chunk_fields import Ending, Usage, chunk_decoder
from headrace.engines.protocols.dialects import Dialect
from headrace.engines.protocols.error_mapping import Source, map_error
from headrace.engines.protocols.grammar import answer_grammar
from headrace.engines.protocols.request_fields import response_format_field, sampling_fields
from headrace.errors import RequestError
from headrace.events import Event, Progress, Text
from headrace.formats import Format
from headrace.prompts.escaping import PromptEncoder, plain
from headrace.sse import DONE
from headrace.wire.request import ChatRequest

__all__ = ["CompletionReader", "Completions"]

# A server writes U+FFFD for bytes that are no character: a model that misspells one has said nothing.
_NO_CHARACTER: Final = "\ufffd"


class Completions:
    """See `headrace.engines.protocols.base`.

    Args:
        dialect: of the server.
        source: who is asked.
        model: as the server calls it; "" leaves the field out.
        format: of the model's family, for `tool_choice` and `response_format`; None if unknown: then
            calls cannot be enforced.
        max_tokens: where the client sets none; None is the dialect's own choice.
        cutter: for a server whose tokens are known: what users write then cannot become markup.
    """

    path: Final = "completions"
    continues: Final = True

    def __init__(
        self,
        dialect: Dialect,
        source: Source,
        *,
        model: str = "",
        format: Format | None = None,
        max_tokens: int | None = None,
        cutter: PromptEncoder | None = None,
    ) -> None:
        self._dialect = dialect
        self._source = source
        self._model = {"model": model} if model else {}
        self._format = format
        self._cutter = cutter
        self._max_tokens = dialect.unlimited if max_tokens is None else max_tokens

    def encode(self, generation: Generation) -> bytes:
        """The body."""
        dialect = self._dialect
        return msgspec.json.encode(
            {
                **self._model,
                "prompt": self._prompt(generation),
                "stream": True,
                **({"verbose": True} if self._tells_tokens(generation) else {}),
                "max_tokens": self._max_tokens,
                **dialect.always,
                **dialect.completions,
                **sampling_fields(generation.request, dialect),
                **self._structure(generation),
            }
        )

    def reader(self, generation: Generation) -> "CompletionReader":
        """A fresh reader."""
        limit = self._max_tokens if generation.request.max_tokens is None else generation.request.max_tokens
        limit = limit if limit and limit > 0 else None
        return CompletionReader(self._source, limit, tells_tokens=self._tells_tokens(generation))

    def _tells_tokens(self, generation: Generation) -> bool:
        return generation.is_kept and self._dialect.token_prompts

    def _prompt(self, generation: Generation) -> str | list[str | int]:
        """What has been said goes back as the tokens that it was, where the server takes tokens."""
        prompt, cutter = generation.prompt, self._cutter
        parts: list[str | int] = [plain(prompt)] if cutter is None else cutter.cut(prompt)
        for text in generation.said:
            parts += text.ids if text.ids and self._dialect.token_prompts else (text.text,)
        has_tokens = any(isinstance(part, int) for part in parts)
        return parts if has_tokens else "".join(map(str, parts))

    def _structure(self, generation: Generation) -> dict[str, Any]:
        """What holds the text to a form, where the request asks for one."""
        request = generation.request
        forced_call = request.tool_choice not in ("auto", "none")
        if not forced_call and request.response_format.type == "text":
            return {}
        if self._dialect.structure == "grammar":
            return {"grammar": answer_grammar(generation, self._format)}
        if forced_call:
            raise _unsupported(request, "tool_choice", "auto", 'engine = "chat"')
        if self._dialect.structure != "response_format":
            raise _unsupported(request, "response_format.type", "text", 'engine = "chat"')
        if request.wants_thinking:
            raise _unsupported(request, "response_format.type", "text", 'thinking.type "disabled"')
        return {"response_format": response_format_field(request)}


def _unsupported(request: ChatRequest, field: str, supported: str, way_out: str) -> RequestError:
    msg = f'{field}: model {request.model} supports "{supported}" only, here; {way_out} can do more'
    return RequestError(msg, code="1212")


class _Choice(msgspec.Struct):
    text: str | None = None
    finish_reason: str | None = None
    token_ids: list[int] | None = None
    index: int | None = None


class _Timings(msgspec.Struct):
    predicted_n: int = 0


class _PromptProgress(msgspec.Struct):
    processed: int = 0
    total: int = 0


class _Verbose(msgspec.Struct):
    tokens: list[int] = []


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    verbose: _Verbose | None = msgspec.field(default=None, name="__verbose")
    usage: Usage | None = None
    timings: _Timings | None = None
    prompt_progress: _PromptProgress | None = None
    error: Any = None


_decode = chunk_decoder(_Chunk)


class CompletionReader:
    """Chunks → `Progress`, `Text` and one `Finish`.

    Args:
        source: who answers.
        max_tokens: what the server was told; None if it may fill the context.
        tells_tokens: the server was asked for its tokens.
    """

    def __init__(self, source: Source, max_tokens: int | None, *, tells_tokens: bool = False) -> None:
        self.is_finished = False
        self._source = source
        self._max_tokens = max_tokens
        self._ending = Ending()
        self._said_tokens = 0
        self._tells_tokens = tells_tokens
        self._ids: list[int] = []  # of what has no text yet

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
        if chunk.prompt_progress is not None:
            return [Progress(chunk.prompt_progress.processed, chunk.prompt_progress.total)]
        events: list[Event] = self._ending.begin(chunk.usage) if chunk.usage else []
        reason = None
        for choice in chunk.choices or ():
            if not choice.index:
                if self._tells_tokens and chunk.verbose is not None:
                    self._ids += chunk.verbose.tokens
                events += self._text(choice, chunk.timings)
                reason = choice.finish_reason
        if self._ending.take(reason, chunk.usage):
            events += self.finish()
        return events

    def finish(self) -> list[Event]:
        """See `Reader`."""
        if self.is_finished:
            return []
        finish = self._ending.finish(self._reason())
        self.is_finished = True
        return [finish]

    def _text(self, choice: _Choice, timings: _Timings | None) -> list[Event]:
        """Servers tell in different ways how many tokens a chunk has; some tokens have no text yet."""
        ending = self._ending
        if choice.token_ids is not None:
            ending.completion_tokens += len(choice.token_ids)
        elif timings is not None:
            ending.completion_tokens = timings.predicted_n
        elif choice.text:
            ending.completion_tokens += 1
        text = (choice.text or "").replace(_NO_CHARACTER, "")
        if not text:
            return []
        tokens = ending.completion_tokens - self._said_tokens
        self._said_tokens = ending.completion_tokens
        ids, self._ids = self._ids, []
        # Of a character of several tokens, llama.cpp tells the last one only.
        return [Text(text, tokens, tuple(ids) if len(ids) == tokens else ())]

    def _reason(self) -> str:
        """An answer that is cut off before its limit has filled the context."""
        if self._ending.reason != "length" or self._ending.usage is None:
            return ""
        short = self._max_tokens is None or self._ending.usage.completion < self._max_tokens
        return "model_context_window_exceeded" if short else ""
