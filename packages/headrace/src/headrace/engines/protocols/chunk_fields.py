"""The fields that the chunks of all protocols share: usage, finish reason, error."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from headrace.errors import DecodeError, EngineError
from headrace.events import Event, Finish, Progress, TokenUsage

__all__ = ["Ending", "Usage", "check_text", "chunk_decoder"]

_Chunk = TypeVar("_Chunk", bound=msgspec.Struct)

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_REASONS: Final = {
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "model_context_window_exceeded",
    "function_call": "tool_calls",
    "content_filter": "sensitive",
    "abort": "network_error",
    "error": "network_error",
}
"""Finish reasons of servers → finish reasons of Z.ai. Others are passed through."""


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, gc=False):
    """The `usage` object. Null and absent fields are 0."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name

    def count(self) -> TokenUsage:
        """Convert to an event's usage."""
        cached = (self.prompt_tokens_details or _PromptDetails()).cached_tokens
        reasoning = (self.completion_tokens_details or _CompletionDetails()).reasoning_tokens
        return TokenUsage(
            prompt=self.prompt_tokens or 0,
            completion=self.completion_tokens or 0,
            cached=cached or self.prompt_cache_hit_tokens or 0,
            reasoning=reasoning or 0,
        )


def chunk_decoder(kind: type[_Chunk]) -> Callable[[bytes], _Chunk]:
    """Return a decoder of chunks: strict first, then lenient (numbers as strings and the like).

    It raises `DecodeError` if a chunk is not UTF-8, not JSON, or has a different structure.
    """
    strict = msgspec.json.Decoder(kind).decode
    lax = msgspec.json.Decoder(kind, strict=False).decode

    def decode(data: bytes) -> _Chunk:
        try:
            if not data.isascii():
                check_text(data)  # msgspec does not validate what it skips
            return strict(data)
        except _FAILURES:
            pass
        try:
            return lax(data)
        except _FAILURES as error:
            raise _undecodable(data, error) from None

    return decode


def check_text(data: bytes) -> None:
    """Validate UTF-8.

    Raises:
        DecodeError: the bytes are not UTF-8.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise _undecodable(data, error) from None


def _undecodable(data: bytes, error: Exception) -> DecodeError:
    shown = data[:80].decode("utf-8", "replace")
    public = "the model's server sent data that cannot be decoded"
    return DecodeError(f"{public}: {shown!r} ({error})", public=public)


class Ending:
    """The parts of the `Finish`: a reason, and a usage that may arrive later or never."""

    def __init__(self) -> None:
        self.reason = ""
        self.usage: TokenUsage | None = None
        self.completion_tokens = 0
        """The reader's own count, for servers that send no usage."""
        self.reasoning_tokens = 0

    def begin(self, usage: Usage) -> list[Event]:
        """Return the progress that a usage before the first token reports: the prompt is processed."""
        prompt = usage.prompt_tokens or 0
        return [Progress(prompt, prompt)] if prompt and not self.completion_tokens else []

    def take(self, reason: str | None, usage: Usage | None) -> bool:
        """Keep a chunk's finish reason and usage; return whether both are known."""
        if usage is not None:
            self.usage = usage.count()
        if reason and not self.reason:  # some servers send two
            self.reason = _REASONS.get(reason, reason)
        return bool(self.reason) and usage is not None

    def assume_stop(self) -> None:
        """Assume `stop` at `[DONE]`, if the server sent tokens and no finish reason."""
        if self.completion_tokens:
            self.reason = self.reason or "stop"

    def finish(self, reason: str = "") -> Finish:
        """Build the `Finish`; `reason` overrides the server's.

        Raises:
            EngineError: the server sent no finish reason.
        """
        if not self.reason:
            msg = "the model's server ended the stream without a finish reason"
            raise EngineError(msg)
        reason = reason or self.reason
        usage = self.usage or TokenUsage(completion=self.completion_tokens)
        if not usage.reasoning:  # not every server reports them
            reasoning = min(self.reasoning_tokens, usage.completion)
            usage = msgspec.structs.replace(usage, reasoning=reasoning)
        error = "the model's server did not finish its answer" if reason == "network_error" else ""
        return Finish(reason, usage, error)
