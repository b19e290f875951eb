"""Parsing in tests: under every cut, and summed up."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from answers import TOOLS
from headrace.chunks import merge
from headrace.events import Content, Event, Reasoning, ToolCallArguments, ToolCallEnd, ToolCallStart
from headrace.formats import FORMATS
from headrace.parsing import OutputParser


@dataclass
class Said:
    """What events add up to: texts, and of each call its name and the JSON text of its arguments."""

    reasoning: str = ""
    content: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    @property
    def decoded(self) -> list[tuple[str, Any]]:
        """The calls, with their arguments as values."""
        return [(name, json.loads(arguments)) for name, arguments in self.calls]


def parse(
    name: str, pieces: Iterable[str], *, tools: Any = TOOLS, stopped: bool = False, **options: Any
) -> list[Event]:
    """The events for a text in pieces, neighbours merged."""
    parser = OutputParser(FORMATS[name], tools, **options)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return merge(events + parser.finish(stopped=stopped))


def cuttings(text: str) -> Iterator[list[str]]:
    """Character by character, and every cut in two."""
    yield list(text)
    for place in range(len(text)):
        yield [text[:place], text[place:]]


def read(name: str, text: str, **options: Any) -> Said:
    """What a text says, having made sure that no cut changes it."""
    events = parse(name, [text], **options)
    for pieces in cuttings(text):
        assert parse(name, pieces, **options) == events, pieces
    return said(events)


def said(events: Iterable[Event]) -> Said:
    """The sum of the events."""
    sum_ = Said()
    for event in events:
        match event:
            case Reasoning(text):
                sum_.reasoning += text
            case Content(text):
                sum_.content += text
            case ToolCallStart(index, name, id, arguments):
                assert index == len(sum_.calls)
                sum_.calls.append((name, arguments))
                sum_.ids.append(id)
            case ToolCallArguments(index, text):
                name, before = sum_.calls[index]
                sum_.calls[index] = (name, before + text)
            case ToolCallEnd(index):
                sum_.ended.append(index)
    return sum_
