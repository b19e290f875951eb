"""What a model can say: plain values, in the order in which it says them.

An engine emits `Text` (what the model wrote, unparsed) or the parsed events, and ends with one
`Finish`. A turn's log holds what the engine emitted; a parser turns each `Text` into the events
that it means. Encoded as small arrays, so that a log can store them.
"""

import msgspec

__all__ = [
    "CANCELLED",
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
]


CANCELLED = "cancelled"
"""The reason of an answer that its caller stopped. The wire says `stop`, as if the model had; but what is
half stays half."""


class Text(msgspec.Struct, frozen=True, array_like=True, tag="x"):
    """A piece of the model's output, markup included.

    `tokens` as the engine counts them; `ids` are the tokens themselves, or () where that is not known.
    """

    text: str
    tokens: int = 1
    ids: tuple[int, ...] = ()


class Progress(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """The engine has read `processed` of `total` prompt tokens. It is no part of the answer."""

    processed: int
    total: int


class Reasoning(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """A piece of the thinking."""

    text: str


class Content(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """A piece of the answer."""

    text: str


class ToolCallStart(msgspec.Struct, frozen=True, array_like=True, tag="s", repr_omit_defaults=True):
    """A call begins. `index` counts from 0; `id` is "" unless the model itself wrote one.

    `arguments` is "" unless the call leaves in one piece (`tool_stream` off).
    """

    index: int
    name: str
    id: str = ""
    arguments: str = ""


class ToolCallArguments(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    """A piece of a call's arguments: JSON text, to be joined."""

    index: int
    text: str


class ToolCallEnd(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """The call is whole. A call that was cut off has no end."""

    index: int


class TokenUsage(msgspec.Struct, frozen=True, array_like=True):
    """Tokens as counted by the engine; `completion` includes `reasoning`, `prompt` includes `cached`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


class Finish(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    """The end. `reason` is a `finish_reason` of the wire, or `CANCELLED`; `error` tells what failed."""

    reason: str
    usage: TokenUsage = TokenUsage()
    error: str = ""


Event = Text | Progress | Reasoning | Content | ToolCallStart | ToolCallArguments | ToolCallEnd | Finish
