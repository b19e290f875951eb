"""A chunk of `POST …/completions`, with what several servers add to it."""

from typing import Any, Final

import msgspec

from headrace.engines.protocols.chunk_fields import chunk_decoder

__all__ = ["CompletionChoice", "CompletionChunk", "decode_completion"]


class CompletionChoice(msgspec.Struct, gc=False):
    """The answer; others than the first are not read."""

    text: str | None = None
    finish_reason: Any = None
    token_ids: list[int] | None = None
    prompt_token_ids: list[int] | None = None
    index: int | None = None
    stop_reason: Any = None  # vLLM
    matched_stop: Any = None  # SGLang


class Timings(msgspec.Struct, gc=False):
    predicted_n: int = 0


class PromptProgress(msgspec.Struct, gc=False):
    processed: int = 0
    total: int = 0


class Verbose(msgspec.Struct, gc=False):
    tokens: list[int] = []
    tokens_predicted: int = 0
    stopping_word: str = ""


class CompletionChunk(msgspec.Struct, gc=False):
    """The data of an event."""

    choices: list[CompletionChoice] | None = None
    verbose: Verbose | None = msgspec.field(default=None, name="__verbose")
    usage: Any = None
    timings: Timings | None = None
    prompt_progress: PromptProgress | None = None
    error: Any = None


decode_completion: Final = chunk_decoder(CompletionChunk)
