"""What an engine said → what it means. Pure: a live stream, a whole answer and a replay are read alike."""

from collections.abc import Iterable

import msgspec

from headrace.events import Event, Finish, Text
from headrace.parsing import OutputParser

__all__ = ["Interpreter"]


class Interpreter:
    """Replaces each `Text` by the events that it means; completes the `Finish`.

    Args:
        parser: a fresh one for this answer.
    """

    def __init__(self, parser: OutputParser) -> None:
        self._parser = parser
        self._reasoning_tokens = 0

    def feed(self, said: Iterable[Event]) -> list[Event]:
        """The events, in the order of the text."""
        meant: list[Event] = []
        for event in said:
            if isinstance(event, Text):
                was_reasoning = self._parser.is_reasoning
                meant += self._parser.feed(event.text)
                if was_reasoning or self._parser.is_reasoning:
                    self._reasoning_tokens += event.tokens
            elif isinstance(event, Finish):
                meant += [*self._parser.finish(), self._complete(event)]
            else:
                meant.append(event)
        return meant

    def _complete(self, finish: Finish) -> Finish:
        """Whether tools were called is told by the text, not by the token that stopped the model."""
        called = finish.reason == "stop" and self._parser.called_tools
        reasoning = finish.usage.reasoning or self._reasoning_tokens
        return Finish(
            "tool_calls" if called else finish.reason,
            msgspec.structs.replace(finish.usage, reasoning=reasoning),
            finish.error,
        )
