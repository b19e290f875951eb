"""What an engine said → what it means. Pure: a live stream, a whole answer and a replay are read alike."""

from collections.abc import Iterable

import msgspec

from headrace.events import CANCELLED, Event, Finish, Text
from headrace.parsing import OutputParser

__all__ = ["Interpreter"]


class Interpreter:
    """Replaces each `Text` by the events that it means; completes the `Finish`.

    Args:
        parser: a fresh one for this answer.
        closes_calls: a call that is open where the model stopped is whole. Not so where the caller's own
            `stop` strings may have cut it.
    """

    def __init__(self, parser: OutputParser, *, closes_calls: bool = True) -> None:
        self._parser = parser
        self._closes_calls = closes_calls
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
                stopped = event.reason == "stop" and self._closes_calls
                meant += [*self._parser.finish(stopped=stopped), self._complete(event)]
            else:
                meant.append(event)
        return meant

    def _complete(self, finish: Finish) -> Finish:
        """Whether tools were called is told by the text, not by the token that stopped the model."""
        reason = "stop" if finish.reason == CANCELLED else finish.reason
        called = reason == "stop" and self._parser.called_tools
        reasoning = finish.usage.reasoning or self._reasoning_tokens
        return Finish(
            "tool_calls" if called else reason,
            msgspec.structs.replace(finish.usage, reasoning=reasoning),
            finish.error,
        )
