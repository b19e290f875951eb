"""A complete answer, and the fold that builds it from the chunks of a stream.

The fold is the only way to build one, so the same request gives the same answer, streamed or not.
Fields are in alphabetical order, as in Z.ai's responses.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from headrace.wire.call_assembler import CallAssembler
from headrace.wire.chunk import Chunk, ChunkChoice, Usage, text_of
from headrace.wire.model import WireModel

__all__ = ["Accumulator", "Choice", "Completion", "Function", "Message", "ToolCall", "fold"]

_SOURCES: Final = ("citations", "search_results")


class Function(WireModel, kw_only=True):
    """`arguments` is JSON text, as the model generated it."""

    arguments: str
    name: str


class ToolCall(WireModel, kw_only=True):
    """A call that the model requests."""

    other_fields: ClassVar = frozenset({"index"})

    function: Function
    id: str
    index: int | None = None
    type: str | None = None


class Message(WireModel, kw_only=True):
    """The answer; `content` is "" if it consists of tool calls only."""

    other_fields: ClassVar = frozenset({"audio", "refusal"})

    content: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None
    role: str
    tool_calls: list[ToolCall] | None = None
    audio: Any = None


class Choice(WireModel, kw_only=True):
    """One of the alternative answers; Headrace sends exactly one."""

    other_fields: ClassVar = frozenset({"logprobs"})

    finish_reason: str | None = None
    index: int
    message: Message
    logprobs: Any = None


class Completion(WireModel, kw_only=True):
    """The response to a request with `stream` false, or a folded stream."""

    other_fields: ClassVar = frozenset({"object", "system_fingerprint"})

    choices: list[Choice]
    created: int | None = None
    id: str | None = None
    model: str | None = None
    object: str | None = None
    request_id: str | None = None
    usage: Usage | None = None
    system_fingerprint: str | None = None


class Accumulator:
    """The sum of the chunks so far. `add` takes time in proportion to its chunk."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.created: int | None = None
        self.model: str | None = None
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.has_chunks = False
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._logprobs: dict[str, list[Any]] = {}
        self._calls = CallAssembler()
        self._others: dict[int, Accumulator] = {}
        self._annotations: list[Any] = []
        self._sources: dict[str, Any] = {}

    @property
    def has_output(self) -> bool:
        """Whether any text or call was added."""
        return bool(self._content or self._reasoning or self._calls.has_calls)

    def add(self, chunk: Chunk) -> None:
        """Add the next chunk; one without choices may still bring the usage."""
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
                if text := delta.refusal:
                    self._refusal.append(text)
                if delta.tool_calls:
                    for call in delta.tool_calls:
                        self._calls.add(call, is_last=bool(choice.finish_reason))
            if choice.logprobs is not None:
                self._add_logprobs(choice.logprobs)
            if choice.finish_reason:
                self.finish_reason = choice.finish_reason
        if chunk.usage is not None:
            self.usage = chunk.usage

    def add_sources(self, chunk: Chunk) -> None:
        """Add the sources of an answer that some servers send beside its text.

        OpenRouter sends `annotations` in deltas, and Perplexity the same `citations` in every chunk.
        """
        self._sources |= {name: chunk[name] for name in _SOURCES if chunk.get(name)}
        for choice in chunk.choices or ():
            annotations = None if choice.index or choice.delta is None else choice.delta.get("annotations")
            if isinstance(annotations, list):
                self._annotations += [each for each in annotations if each not in self._annotations]

    def _add_logprobs(self, logprobs: Any) -> None:
        """Join the lists `content` and `refusal` of OpenAI's log probabilities."""
        for name, tokens in logprobs.items() if isinstance(logprobs, dict) else ():
            if isinstance(tokens, list):
                self._logprobs.setdefault(name, []).extend(tokens)

    def _add_other(self, choice: ChunkChoice) -> None:
        """Fold each of several choices (`n` > 1) by itself."""
        if isinstance(choice.index, int):
            alone = ChunkChoice(
                index=0, delta=choice.delta, finish_reason=choice.finish_reason, logprobs=choice.logprobs
            )
            self._others.setdefault(choice.index, Accumulator()).add(Chunk(choices=[alone]))

    def _begin(self, chunk: Chunk) -> None:
        self.has_chunks = True
        self.id = chunk.id or None
        self.created = chunk.created
        self.model = chunk.model

    def message(self) -> Message:
        """Build the message as received so far; it shares nothing with the accumulator."""
        calls = [
            ToolCall(function=Function(arguments=arguments, name=name), id=id, index=index, type="function")
            for index, (id, name, arguments) in enumerate(self._calls.snapshot(self.finish_reason))
        ]
        return Message(
            content="".join(map(text_of, self._content)),
            reasoning_content="".join(map(text_of, self._reasoning)) or None,
            refusal="".join(map(text_of, self._refusal)) or None,
            role="assistant",
            tool_calls=calls or None,
        ).with_extras({"annotations": [*self._annotations]} if self._annotations else {})

    def choice(self, index: int) -> Choice:
        """Build the choice as received so far."""
        logprobs = {name: [*tokens] for name, tokens in self._logprobs.items()}
        return Choice(
            finish_reason=self.finish_reason, index=index, message=self.message(), logprobs=logprobs or None
        )

    def completion(self, *, request_id: str = "") -> Completion:
        """Build the answer as received so far; `request_id` defaults to the id of the chunks."""
        answers = {0: self, **self._others}
        return Completion(
            choices=[answer.choice(index) for index, answer in sorted(answers.items())],
            created=self.created,
            id=self.id,
            model=self.model,
            object="chat.completion",
            request_id=request_id or self.id,
            usage=self.usage,
        ).with_extras(self._sources)


def fold(chunks: Iterable[Chunk], *, request_id: str = "") -> Completion:
    """Build the completion of a stream's chunks."""
    accumulator = Accumulator()
    for chunk in chunks:
        accumulator.add(chunk)
    return accumulator.completion(request_id=request_id)
