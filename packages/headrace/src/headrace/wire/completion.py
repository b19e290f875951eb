"""A whole answer, and the fold that makes it from the chunks of a stream.

A whole answer is never built in another way: the same request gives the same answer, streamed or not.
Fields stand in alphabetical order, as Z.ai sends them.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from headrace.wire.chunk import Chunk, ChunkChoice, ToolCallDelta
from headrace.wire.model import WireModel
from headrace.wire.usage import Usage

__all__ = [
    "Accumulator",
    "Choice",
    "Completion",
    "Function",
    "Message",
    "ToolCall",
    "call_number",
    "fold",
    "text_of",
]


class Function(WireModel, kw_only=True):
    """`arguments` is JSON text, as the model wrote it."""

    arguments: str
    name: str


class ToolCall(WireModel, kw_only=True):
    """One call that the model wants to be made."""

    function: Function
    id: str
    index: int | None = None
    type: str | None = None


class Message(WireModel, kw_only=True):
    """The answer; `content` is "" where only tools are called."""

    content: str | None = None
    reasoning_content: str | None = None
    role: str
    tool_calls: list[ToolCall] | None = None
    audio: Any = None


class Choice(WireModel, kw_only=True):
    """Headrace sends exactly one."""

    finish_reason: str | None = None
    index: int
    message: Message
    logprobs: Any = None


class Completion(WireModel, kw_only=True):
    """The answer to a request with `stream` false, or a stream folded."""

    choices: list[Choice]
    created: int | None = None
    id: str | None = None
    model: str | None = None
    object: str | None = None
    request_id: str | None = None
    usage: Usage | None = None
    system_fingerprint: str | None = None


class Accumulator:
    """Takes chunks in their order; holds what they add up to. `add` costs the length of its chunk."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.created: int | None = None
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.has_chunks = False
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._others: dict[int, Accumulator] = {}

    def add(self, chunk: Chunk) -> None:
        """Chunks without choices only bring their usage."""
        if self.id is None:
            self._begin(chunk)
        for choice in chunk.choices or ():
            if choice.index:
                self._add_other(choice)
                continue
            delta = choice.delta
            if delta is not None:
                if text := delta.content:
                    self._content.append(text)
                if text := delta.reasoning_content:
                    self._reasoning.append(text)
                if delta.tool_calls:
                    self._add_calls(delta.tool_calls)
            if choice.finish_reason:
                self.finish_reason = choice.finish_reason
        if chunk.usage is not None:
            self.usage = chunk.usage

    def _add_other(self, choice: ChunkChoice) -> None:
        """A peer may send several (`n` > 1), each of which is an answer of its own."""
        if isinstance(choice.index, int):
            alone = ChunkChoice(index=0, delta=choice.delta, finish_reason=choice.finish_reason)
            self._others.setdefault(choice.index, Accumulator()).add(Chunk(choices=[alone]))

    def _begin(self, chunk: Chunk) -> None:
        self.has_chunks = True
        self.id = chunk.id or None
        self.created = chunk.created
        self.model = chunk.model

    def _add_calls(self, calls: list[ToolCallDelta]) -> None:
        for position, call in enumerate(calls):
            self._calls.setdefault(call_number(call, position), _Call()).add(call)

    def message(self) -> Message:
        """The message as far as it has come."""
        calls = [call.whole(index) for index, call in enumerate(self._calls.values())]
        return Message(
            content="".join(map(text_of, self._content)),
            reasoning_content="".join(map(text_of, self._reasoning)) or None,
            role="assistant",
            tool_calls=calls or None,
        )

    def completion(self, *, request_id: str = "") -> Completion:
        """The answer as far as it has come; `request_id` is the turn's id unless one is given."""
        answers = {0: self, **self._others}
        return Completion(
            choices=[
                Choice(finish_reason=answer.finish_reason, index=index, message=answer.message())
                for index, answer in sorted(answers.items())
            ],
            created=self.created,
            id=self.id,
            model=self.model,
            object="chat.completion",
            request_id=request_id or self.id,
            usage=self.usage,
        )


class _Call:
    """Some servers repeat id and name, or send them empty: the first that is not empty wins."""

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []

    def add(self, delta: ToolCallDelta) -> None:
        self.id = self.id or delta.id or ""
        function = delta.function
        if function is not None:
            self.name = self.name or function.name or ""
            if function.arguments:
                self.arguments.append(function.arguments)

    def whole(self, index: int) -> ToolCall:
        function = Function(arguments="".join(map(text_of, self.arguments)), name=self.name)
        return ToolCall(function=function, id=self.id, index=index, type="function")


def text_of(value: Any) -> str:
    """The text itself, or the JSON of what an odd server sends where text belongs."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def call_number(call: ToolCallDelta, position: int) -> int:
    """Which call a piece belongs to: its index, or its place in its chunk where a server sends none."""
    return call.index if isinstance(call.index, int | str) else position


def fold(chunks: Iterable[Chunk], *, request_id: str = "") -> Completion:
    """What a stream's chunks add up to."""
    whole = Accumulator()
    for chunk in chunks:
        whole.add(chunk)
    return whole.completion(request_id=request_id)
