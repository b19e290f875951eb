"""`POST …/completions`: raw text. Headrace renders the prompt and parses the output.

vLLM, SGLang, llama-server and others have this API; llama.cpp in this process takes the same JSON.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.chunk_fields import REPLACEMENT, Ending, chunk_decoder
from headrace.engines.protocols.dialects import Dialect, json_schema_field, sampling_fields
from headrace.engines.protocols.error_mapping import Upstream, map_error
from headrace.engines.protocols.penalties import penalty_biases
from headrace.engines.protocols.structural_tag import structural_tag
from headrace.engines.protocols.structure import Structure, is_structured
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.errors import RequestError
from headrace.events import Event, Progress, Text
from headrace.formats import Format
from headrace.prompts.escaping import PromptEncoder, unescape
from headrace.sse import DONE
from headrace.wire.request import ChatRequest

__all__ = ["CompletionReader", "Completions"]


_COUNTED: Final = {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}
"""For versions of vLLM and SGLang that do not report token ids: their chunks may have several tokens."""


class Completions:
    """The protocol of a server that completes a prompt.

    Args:
        dialect: the server's.
        upstream: the server, for messages.
        model: the server's name for the model; "" omits the field.
        limits: of the server's tokens; None for those of the dialect.
        format: of the model's family, for constrained decoding; None if unknown.
        prompt_encoder: for a server whose tokens are known; keeps users' texts from becoming special tokens.
        vocabulary: number of the model's tokens, for `logit_bias`; 0 if unknown.
        structure: returns the fields for constrained decoding; None for those of the dialect.
    """

    path: Final = "completions"
    continues: Final = True

    def __init__(
        self,
        dialect: Dialect,
        upstream: Upstream,
        *,
        model: str = "",
        limits: TokenLimits | None = None,
        format: Format | None = None,
        prompt_encoder: PromptEncoder | None = None,
        vocabulary: int = 0,
        structure: Callable[[Generation], dict[str, Any]] | None = None,
    ) -> None:
        self.dialect = dialect
        self._upstream = upstream
        self._model = {"model": model} if model else {}
        self._format = format
        self._prompt_encoder = prompt_encoder
        self._vocabulary = vocabulary
        self._structure = structure or self._dialects_structure
        self.limits = limits or TokenLimits(dialect)

    def encode(self, generation: Generation, id: str = "") -> bytes:
        return msgspec.json.encode({**self.fields(generation, id), "prompt": self.prompt(generation)})

    def fields(self, generation: Generation, id: str = "") -> dict[str, Any]:
        """Return the fields of the request body, without the prompt.

        Raises:
            RequestError: 1212 or 1214, the server does not support a field of the request.
        """
        dialect = self.dialect
        self._check_biases(generation.request)
        return {
            **self._model,
            "stream": True,
            **({"verbose": True} if self._reports_ids(generation, "mixed") else {}),
            "max_tokens": self.max_tokens(generation),
            **dialect.fields,
            **dialect.id_field(id),
            **dialect.completions,
            **(_COUNTED if self._reports_ids(generation, "ids") else {}),
            **(dialect.counting if generation.request.stops else {}),
            **sampling_fields(generation.request, dialect),
            **({} if dialect.penalizes_prompt else penalty_biases(generation)),
            **self._structure(generation),
        }

    def encode_count(self, generation: Generation) -> tuple[str, bytes] | None:
        if (tokenizer := self.dialect.tokenizer) is None:
            return None
        body = {**self._model, **tokenizer.fields, tokenizer.prompt_field: unescape(generation.prompt)}
        return tokenizer.path, msgspec.json.encode(body)

    def max_tokens(self, generation: Generation) -> int:
        wanted = self.limits.wanted(generation.request.max_tokens)
        if wanted is not None:
            return self.limits.accepted(wanted)
        return self.limits.unlimited("".join([generation.prompt, *(text.text for text in generation.prefix)]))

    def token_limit(self, generation: Generation) -> int | None:
        limit = self.max_tokens(generation)
        return None if limit == self.dialect.unlimited else limit

    def revised(self, generation: Generation, refusal: str) -> Generation | None:
        return self.limits.revised(generation, refusal, self.max_tokens(generation))

    def reader(self, generation: Generation) -> "CompletionReader":
        ignores_ends = generation.request.extra.get("ignore_eos")
        return CompletionReader(
            self._upstream,
            self.token_limit(generation),
            has_token_ids=self._has_token_ids(generation),
            ignored=self._format.stop_tokens if ignores_ends and self._format else (),
        )

    def _has_token_ids(self, generation: Generation) -> bool:
        # With stop strings, vLLM's ids are those of text that it still withholds.
        by_ids = self._reports_ids(generation, "ids") and not generation.request.stops
        return by_ids or self._reports_ids(generation, "mixed")

    def _reports_ids(self, generation: Generation, form: Literal["ids", "mixed"]) -> bool:
        return generation.needs_token_ids and self.dialect.continues_by == form

    def prompt(self, generation: Generation) -> str | list[str | int]:
        """Encode prompt and prefix; the prefix as token ids if they are known and the server accepts them."""
        prompt, encoder, prefix = generation.prompt, self._prompt_encoder, generation.prefix
        form = self.dialect.continues_by
        if form == "ids" and generation.prompt_ids and all(text.ids for text in prefix):
            return [*generation.prompt_ids, *(id for text in prefix for id in text.ids)]
        parts: list[str | int] = [unescape(prompt)] if encoder is None else encoder.encode(prompt)
        for text in prefix:
            parts += text.ids if text.ids and form == "mixed" else (text.text,)
        has_tokens = any(isinstance(part, int) for part in parts)
        return parts if has_tokens else "".join(map(str, parts))

    def _check_biases(self, request: ChatRequest) -> None:
        largest = max(map(int, request.extra.get("logit_bias", ())), default=-1)
        if self._vocabulary and largest >= self._vocabulary:
            msg = f"logit_bias has the token id {largest}; the model has ids 0 to {self._vocabulary - 1}"
            raise RequestError(msg)

    def _dialects_structure(self, generation: Generation) -> dict[str, Any]:
        """Return the fields for constrained decoding by the server's own means, if the request needs it."""
        request, structure = generation.request, self.dialect.structure
        if not is_structured(request):
            return {}
        if structure == "structural_tag":
            tag = structural_tag(Structure(request, self._format, excludes_markup=False), generation.prompt)
            return {"response_format": tag}
        if request.tool_choice not in ("auto", "none"):
            raise _unsupported(request, "tool_choice", "auto", 'engine = "chat"')
        if not structure:
            raise _unsupported(request, "response_format.type", "text", 'engine = "chat"')
        if request.wants_thinking:
            raise _unsupported(request, "response_format.type", "text", 'thinking.type "disabled"')
        return json_schema_field(request)


def _unsupported(request: ChatRequest, field: str, supported: str, alternative: str) -> RequestError:
    msg = f'{field}: model {request.model} supports only "{supported}" here; {alternative} supports more'
    return RequestError(msg, code="1212")


class _Choice(msgspec.Struct, gc=False):
    text: str | None = None
    finish_reason: Any = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None
    index: int | None = None
    stop_reason: Any = None  # vLLM
    matched_stop: Any = None  # SGLang


class _Timings(msgspec.Struct, gc=False):
    predicted_n: int = 0


class _PromptProgress(msgspec.Struct, gc=False):
    processed: int = 0
    total: int = 0


class _Verbose(msgspec.Struct, gc=False):
    tokens: list[int] = []
    tokens_predicted: int = 0
    stopping_word: str = ""


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    verbose: _Verbose | None = msgspec.field(default=None, name="__verbose")
    usage: Any = None
    timings: _Timings | None = None
    prompt_progress: _PromptProgress | None = None
    error: Any = None


_decode = chunk_decoder(_Chunk)


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
        chunk = _decode(data)
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
        match _decode(data):
            case _Chunk(
                choices=[_Choice(text=str(text), finish_reason=None | "", index=None | 0) as choice],
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

    def _count(self, choice: _Choice, chunk: _Chunk) -> None:
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
