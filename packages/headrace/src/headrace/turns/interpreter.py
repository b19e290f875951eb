"""Interpretation of logged events. Pure: streams, complete answers and replays are read by the same code."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from headrace.events import (
    CANCELLED,
    Content,
    Event,
    Finish,
    Reasoning,
    Text,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)
from headrace.parsing import OutputParser

__all__ = ["Interpreter", "interpret_finish"]

_INTERPRETED: Final = frozenset({Text, Finish})  # other events are passed through
_RUN: Final = 64  # events


class Interpreter:
    """Replaces each `Text` by the parsed events, and completes the `Finish`.

    Args:
        new_parser: creates a parser for this answer, if it has text.
        closes_calls: whether a call left open at a regular stop is complete. False if the request has `stop`
            strings, which may have truncated it.
        parallel_calls: whether there may be more than one call; if not, further calls are left out.
    """

    def __init__(
        self,
        new_parser: Callable[[], OutputParser],
        *,
        closes_calls: bool = True,
        parallel_calls: bool = True,
    ) -> None:
        self._new_parser: Callable[[], OutputParser] | None = new_parser  # it keeps 300 bytes
        self._parser: OutputParser | None = None
        self._closes_calls = closes_calls
        self._parallel_calls = parallel_calls
        self._reasoning_tokens = 0

    @property
    def is_reasoning(self) -> bool:
        """Whether the text so far ends within the reasoning."""
        return self._get_parser().is_reasoning

    def feed(self, logged: Sequence[Event]) -> list[Event]:
        """Interpret the next events of the log."""
        if self._parser is None and self._parallel_calls and _INTERPRETED.isdisjoint(map(type, logged)):
            return list(logged)
        events: list[Event] = []
        for event in logged:
            if type(event) is Text:  # `isinstance` takes long to deny that a struct is of a type
                parser = self._parser or self._get_parser()
                was_reasoning = parser.is_reasoning
                events += parser.feed(event.text)
                if was_reasoning or parser.is_reasoning:
                    self._reasoning_tokens += event.tokens
            elif type(event) is Finish:
                stopped = event.reason == "stop" and self._closes_calls
                if self._parser is not None:
                    events += self._parser.finish(stopped=stopped)
                events.append(self._complete(event))
            else:
                events.append(event)
        return events if self._parallel_calls else [event for event in events if not _is_further_call(event)]

    def _get_parser(self) -> OutputParser:
        if self._parser is None:
            assert self._new_parser is not None
            self._parser = self._new_parser()
            self._new_parser = None
        return self._parser

    def _complete(self, finish: Finish) -> Finish:
        """Complete the engine's ending: only the parsed text shows whether tools were called."""
        reason = "stop" if finish.reason == CANCELLED else finish.reason
        called = reason == "stop" and self._parser is not None and self._parser.called_tools
        reasoning = finish.usage.reasoning or self._reasoning_tokens
        return Finish(
            "tool_calls" if called else reason,
            msgspec.structs.replace(finish.usage, reasoning=reasoning),
            finish.error,
            finish.stop,
        )


def _is_further_call(event: Event) -> bool:
    return isinstance(event, ToolCallStart | ToolCallArguments | ToolCallEnd) and event.index > 0


def interpret_finish(logged: Sequence[Event], new_interpreter: Callable[[], Interpreter]) -> Finish:
    """Derive the `Finish` that a reader of a complete log receives, with far fewer calls to the parser.

    Text is parsed in runs of joined events. A run that passes the parser unchanged contains no markup, so
    that all of its tokens are reasoning or none is. Any other run is repeated event by event, because its
    tokens are counted by event. For that there are two interpreters: one to test a run, one to count.
    """
    test, count = new_interpreter(), new_interpreter()
    texts = [event for event in logged if isinstance(event, Text)]
    for start in range(0, len(texts), _RUN):
        run = texts[start : start + _RUN]
        joined = Text("".join(event.text for event in run), sum(event.tokens for event in run))
        unchanged = Reasoning(joined.text) if test.is_reasoning else Content(joined.text)
        count.feed([joined] if test.feed([joined]) == [unchanged] else run)
    finish = count.feed(logged[-1:])[-1]
    assert isinstance(finish, Finish)
    return finish
