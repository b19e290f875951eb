"""The fields that the chunks of all protocols share: usage, finish reason, error."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from headrace.errors import DecodeError, IncompleteError
from headrace.events import Event, Finish, Progress, TokenUsage
from headrace.wire.model import WireModel

__all__ = [
    "CUT_OFF",
    "MAX_TOKENS",
    "REPLACEMENT",
    "Ending",
    "check_text",
    "chunk_decoder",
    "count_tokens",
    "undecodable",
]

_Chunk = TypeVar("_Chunk", bound=msgspec.Struct)

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_REASONS: Final = {
    reason: standard
    for standard, reasons in {
        "stop": ("stop", "eos", "eos_token", "end_turn", "stop_sequence"),
        "tool_calls": ("tool_calls", "tool_call", "tool_use", "function_call"),
        "length": ("length", "max_tokens", "max_output_tokens"),
        "model_context_window_exceeded": ("model_context_window_exceeded", "model_length"),
        "sensitive": ("sensitive", "content_filter", "safety"),
        "network_error": ("network_error", "abort", "error"),
    }.items()
    for reason in reasons
}
"""Finish reasons of servers, in lower case → finish reasons of Z.ai. Others are passed through."""

MAX_TOKENS: Final = 2**53
"""More than any answer has; exact in JSON."""

_OBJECTS: Final = (dict, WireModel)  # tuples: a union would be built for each call
_NUMBERS: Final = (int, float)
_NO_FIELDS: Final[dict[str, Any]] = {}

REPLACEMENT: Final = "\ufffd"
"""What servers write for invalid UTF-8, which a model can generate."""

CUT_OFF: Final = frozenset({"length", "model_context_window_exceeded", "sensitive", "network_error"})
"""The finish reasons of an answer that may lack its end."""


def count_tokens(usage: Any) -> TokenUsage:
    """Read a `usage` object. What is absent, or not a number, is 0."""
    sent = _fields(usage)
    prompt, completion = _number(sent("prompt_tokens")), _number(sent("completion_tokens"))
    reasoning = _number(_fields(sent("completion_tokens_details"))("reasoning_tokens"))
    # xAI and others count the reasoning beside the completion.
    if reasoning and (
        reasoning > completion or _number(sent("total_tokens")) == prompt + completion + reasoning
    ):
        completion += reasoning
    cached = (
        _number(_fields(sent("prompt_tokens_details"))("cached_tokens"))
        or _number(sent("prompt_cache_hit_tokens"))  # DeepSeek
        or _number(sent("num_cached_tokens"))  # Mistral
        or _number(sent("cached_tokens"))  # Moonshot
    )
    return TokenUsage(prompt=prompt, completion=completion, cached=cached, reasoning=reasoning)


def _fields(value: Any) -> Callable[[str], Any]:
    """Return what finds a field of a value; of one that is no object, none."""
    return (value if isinstance(value, _OBJECTS) else _NO_FIELDS).get


def _number(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, str) and value.isdecimal():
        value = float(value)
    return int(value) if isinstance(value, _NUMBERS) and 0 <= value < MAX_TOKENS else 0


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
            raise undecodable(data, error) from None

    return decode


def check_text(data: bytes) -> None:
    """Validate UTF-8.

    Raises:
        DecodeError: the bytes are not UTF-8.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise undecodable(data, error) from None


def undecodable(data: bytes, error: Exception) -> DecodeError:
    """Return the error for data that cannot be decoded."""
    shown = data[:80].decode("utf-8", "replace")
    public = "the model's server sent data that cannot be decoded"
    return DecodeError(f"{public}: {shown!r} ({error})", public=public)


class Ending:
    """The parts of the `Finish`: a reason, and a usage that may arrive later or never.

    Neither is the end of a stream: some servers send a reason with every call, or text after it.
    """

    def __init__(self) -> None:
        self.reason = ""
        self.is_last = False
        """Whether no output has followed the reason; otherwise another one may replace it."""
        self.usage: TokenUsage | None = None
        self.completion_tokens = 0
        """The reader's own count, for servers that send no usage."""
        self.reasoning_tokens = 0
        self.stop = ""
        """The stop string that the server reports."""
        self.has_message = False
        """Whether the answer came as a whole, so that its tokens cannot be counted."""

    @property
    def has_output(self) -> bool:
        """Whether the server sent any output."""
        return self.has_message or self.completion_tokens > 0

    def take_usage(self, usage: Any) -> list[Event]:
        """Keep a usage; return the progress that it reports before any output: the prompt is processed."""
        count = count_tokens(usage)
        if count.prompt or count.completion:  # otherwise a placeholder
            self.usage = count
        starts = count.prompt and not self.has_output
        return [Progress(count.prompt, count.prompt)] if starts else []

    def take_reason(self, reason: Any, stop: Any = None) -> None:
        """Keep a finish reason; some servers send two, of which the first one counts.

        Args:
            reason: the finish reason.
            stop: what has ended the answer: a stop string, or else a token.
        """
        if isinstance(stop, str):
            self.stop = stop
        if str(reason).lower() in ("null", "none"):
            return
        if not self.reason or not self.is_last:
            standard = reason if isinstance(reason, str) else "stop"
            self.reason = _REASONS.get(standard.lower(), standard)
        self.is_last = True

    def assume_stop(self) -> None:
        """Assume `stop` at the certain end of an answer with output, but without a finish reason."""
        if self.has_output:
            self.reason = self.reason or "stop"
            self.is_last = True

    def finish(self, reason: str = "") -> Finish:
        """Build the `Finish`; `reason` overrides the server's.

        Raises:
            IncompleteError: the server sent no finish reason.
        """
        if not self.reason:
            msg = "the model's server ended the stream without a finish reason"
            raise IncompleteError(msg)
        reason = reason or self.reason
        usage = self.usage or TokenUsage(completion=self.completion_tokens)
        if not usage.reasoning:  # not every server reports them
            reasoning = min(self.reasoning_tokens, usage.completion)
            usage = msgspec.structs.replace(usage, reasoning=reasoning)
        error = "the model's server did not finish its answer" if reason == "network_error" else ""
        return Finish(reason, usage, error, self.stop if reason == "stop" else "")
