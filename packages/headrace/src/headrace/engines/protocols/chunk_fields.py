"""What the chunks of every server have in common: usage, an ending, an error."""

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
"""What servers say → what Z.ai says. What is not listed is said as it is."""


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    """`usage`, wherever it stands. Null and absent are 0."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name

    def count(self) -> TokenUsage:
        """The engine's form of it."""
        cached = (self.prompt_tokens_details or _PromptDetails()).cached_tokens
        reasoning = (self.completion_tokens_details or _CompletionDetails()).reasoning_tokens
        return TokenUsage(
            prompt=self.prompt_tokens or 0,
            completion=self.completion_tokens or 0,
            cached=cached or self.prompt_cache_hit_tokens or 0,
            reasoning=reasoning or 0,
        )


def chunk_decoder(kind: type[_Chunk]) -> Callable[[bytes], _Chunk]:
    """Decodes chunks, strictly first and then with numbers as strings and the like.

    The decoder raises `DecodeError`: not UTF-8, not JSON, or of another shape.
    """
    strict = msgspec.json.Decoder(kind).decode
    lax = msgspec.json.Decoder(kind, strict=False).decode

    def decode(data: bytes) -> _Chunk:
        try:
            check_text(data)  # msgspec does not look at keys and values that it skips
            return strict(data)
        except _FAILURES:
            pass
        try:
            return lax(data)
        except _FAILURES as error:
            raise _unreadable(data, error) from None

    return decode


def check_text(data: bytes) -> None:
    """Whether the bytes are text.

    Raises:
        DecodeError: they are not UTF-8.
    """
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            raise _unreadable(data, error) from None


def _unreadable(data: bytes, error: Exception) -> DecodeError:
    shown = data[:80].decode("utf-8", "replace")
    return DecodeError(f"the model's server sent what cannot be read: {shown!r} ({error})")


class Ending:
    """A finish is put together from a reason and a usage, and the usage may come later, or never."""

    def __init__(self) -> None:
        self.reason = ""
        self.usage: TokenUsage | None = None
        self.completion_tokens = 0
        """Counted by the reader; holds where the server sends no usage."""
        self.reasoning_tokens = 0

    def begin(self, usage: Usage) -> list[Event]:
        """A server that counts as it goes tells before the first token how long the prompt is."""
        prompt = usage.prompt_tokens or 0
        return [Progress(prompt, prompt)] if prompt and not self.completion_tokens else []

    def take(self, reason: str | None, usage: Usage | None) -> bool:
        """Note what a chunk says about the end; True once both are known."""
        if usage is not None:
            self.usage = usage.count()
        if reason and not self.reason:  # some servers say it twice
            self.reason = _REASONS.get(reason, reason)
        return bool(self.reason) and usage is not None

    def done(self) -> None:
        """The server says that this was all; some give no other reason."""
        if self.completion_tokens:
            self.reason = self.reason or "stop"

    def finish(self, reason: str = "") -> Finish:
        """The end; `reason` where the server's own is not the last word.

        Raises:
            EngineError: the answer just ended.
        """
        if not self.reason:
            msg = "the model's server ended the answer without an ending"
            raise EngineError(msg)
        reason = reason or self.reason
        usage = self.usage or TokenUsage(completion=self.completion_tokens)
        if not usage.reasoning:  # not every server tells
            reasoning = min(self.reasoning_tokens, usage.completion)
            usage = msgspec.structs.replace(usage, reasoning=reasoning)
        error = "the model's server did not finish its answer" if reason == "network_error" else ""
        return Finish(reason, usage, error)
