"""`POST …/completions`: raw text. Headrace renders the prompt and parses the output.

vLLM, SGLang, llama-server and others have this API; llama.cpp in this process takes the same JSON.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.completion_reader import CompletionReader
from headrace.engines.protocols.dialects import Dialect, json_schema_field, sampling_fields
from headrace.engines.protocols.error_mapping import Upstream
from headrace.engines.protocols.penalties import penalty_biases
from headrace.engines.protocols.structural_tag import structural_tag
from headrace.engines.protocols.structure import Structure, is_structured
from headrace.engines.protocols.token_limits import TokenLimits
from headrace.errors import RequestError
from headrace.formats import Format
from headrace.prompts.escaping import PromptEncoder, unescape
from headrace.wire.request import ChatRequest

__all__ = ["Completions"]


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

    def reader(self, generation: Generation) -> CompletionReader:
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
