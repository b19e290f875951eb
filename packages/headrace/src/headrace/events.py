"""Events of a generation: plain values, in the order in which a model generates them.

An engine emits `Text` (raw model output, not yet parsed) or parsed events, and ends with one `Finish`.
A turn's log keeps what the engine emitted; a parser replaces each `Text` by the parsed events. Events
are encoded as small JSON arrays, so that a log can store them.

A new member of `Event` needs a decision in `token_count`, `chunks.ChunkEncoder` and `chunks.merge`; mypy and
tests/test_events.py name the places that lack one.
"""

from typing import assert_never

import msgspec

__all__ = [
    "CANCELLED",
    "CallEvent",
    "Content",
    "Event",
    "Finish",
    "Progress",
    "Reasoning",
    "Text",
    "TokenUsage",
    "ToolCallArguments",
    "ToolCallEnd",
    "ToolCallStart",
    "token_count",
]


CANCELLED = "cancelled"
"""Finish reason of a generation that its caller cancelled. Clients receive `stop`; unlike after a real
`stop`, an unfinished call or thinking section is left open."""


class Text(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="x"):
    """A fragment of raw model output, special tokens included.

    `tokens` is the engine's count; `ids` holds the token ids, or () if the engine does not report them.
    """

    text: str
    tokens: int = 1
    ids: tuple[int, ...] = ()


class Progress(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="p"):
    """Prompt processing: `processed` of `total` prompt tokens are done. Not part of the answer.

    `ids` holds the token ids of the prompt if a continuation needs them; see `Generation.prompt_ids`.
    `queued` is the position in a queue, counted from 1, while the generation waits for its turn; 0 otherwise.
    """

    processed: int
    total: int
    ids: tuple[int, ...] = ()
    queued: int = 0


class Reasoning(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="r"):
    """A fragment of the reasoning."""

    text: str


class Content(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="c"):
    """A fragment of the answer's content."""

    text: str


class ToolCallStart(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="s", repr_omit_defaults=True):
    """The start of a tool call. `index` counts from 0; `id` is "" unless the model generated one.

    `arguments` is "" unless the call is sent complete (`tool_stream` off).
    """

    index: int
    name: str
    id: str = ""
    arguments: str = ""


class ToolCallArguments(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="a"):
    """A fragment of a call's arguments; the fragments join to JSON text."""

    index: int
    text: str


class ToolCallEnd(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="e"):
    """The end of a complete call. A truncated call has none."""

    index: int


class TokenUsage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Token counts of the engine; `completion` includes `reasoning`, `prompt` includes `cached`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


class Finish(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="f"):
    """The last event. `reason` is a `finish_reason` of the API or `CANCELLED`; `error` explains a failure.

    `stop` is the stop string that has ended the answer, "" if there is none or the engine does not report it.
    """

    reason: str
    usage: TokenUsage = TokenUsage()
    error: str = ""
    stop: str = ""


CallEvent = ToolCallStart | ToolCallArguments | ToolCallEnd
Event = Text | Progress | Reasoning | Content | CallEvent | Finish


def token_count(event: Event) -> int:
    """Count the completion tokens of an event; a fragment that arrived parsed counts as one token."""
    match event:
        case Text(tokens=tokens):
            return tokens
        case Reasoning() | Content() | ToolCallStart() | ToolCallArguments():
            return 1
        case Progress() | ToolCallEnd() | Finish():
            return 0
        case _:
            assert_never(event)
