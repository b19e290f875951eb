"""The usual chunk of `POST …/chat/completions`.

Structs of its own skip unknown fields, of which some servers send several in each chunk, in 0.9 µs. Another
type, or anything but null in a field of type None, is left to the SDK's decoder, which knows the variants of
other servers and keeps unknown fields, in 13 µs.
"""

from typing import Any, Final

import msgspec

from headrace.wire.call_assembler import CallDelta
from headrace.wire.chunk import ChunkChoice

__all__ = ["UsualChoice", "UsualChunk", "UsualDelta", "decode_usual", "stop_of"]


class UsualDelta(msgspec.Struct, gc=False):
    """What is new in an answer."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[CallDelta] | None = None
    refusal: None = None
    reasoning_details: None = None
    function_call: None = None


class UsualChoice(msgspec.Struct, gc=False):
    """The answer; others than the first are not read."""

    index: int | None = None
    delta: UsualDelta | None = None
    finish_reason: str | None = None
    message: None = None
    native_finish_reason: None = None
    usage: None = None
    stop_reason: Any = None  # vLLM
    matched_stop: Any = None  # SGLang


class UsualChunk(msgspec.Struct, gc=False):
    """The data of an event."""

    choices: list[UsualChoice] | None = None
    usage: Any = None
    error: None = None
    x_groq: None = None
    base_resp: None = None


decode_usual: Final = msgspec.json.Decoder(UsualChunk).decode


def stop_of(choice: UsualChoice | ChunkChoice) -> Any:
    """Return what has ended the answer: a stop string, or else a token."""
    if isinstance(choice, UsualChoice):
        return choice.stop_reason or choice.matched_stop
    return choice.get("stop_reason") or choice.get("matched_stop")
